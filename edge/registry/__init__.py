"""Functions and their deployments, in memory and in SQLite."""
