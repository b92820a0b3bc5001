"""Functions that the edge runs itself: their processes, and who is told of them."""
