"""The edge on Hypercorn: one worker, and the supervisor of several."""
