"""The console: managing an edge, and seeing what it does, in a browser."""
