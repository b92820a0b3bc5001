"""Who changed what, when and from where: an append-only record that shows where it was altered."""
