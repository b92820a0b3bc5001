"""Who is calling: runtime and access tokens, their stores and the generation protocol."""
