"""What the edge keeps of functions that it runs: their files."""
