"""What is said about requests: each observer is a function of an event."""
