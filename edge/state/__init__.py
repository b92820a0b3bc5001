"""What one worker knows and keeps between requests."""
