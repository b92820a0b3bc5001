"""Managing the edge: its operations, their HTTP interface and its client."""
