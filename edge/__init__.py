"""The server: the gate, forwarding, the doors, and what composes them."""
