"""What functions write to stdout and stderr: kept, bounded, read."""
