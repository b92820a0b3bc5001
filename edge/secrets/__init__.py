"""Secrets: what functions are told and nobody is shown."""
