"""Schedules: when each is due, claimed once, signed, sent, and what became of it."""
