"""The gate: one pure decision in front of everything."""
