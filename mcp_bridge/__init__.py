"""Functions as MCP tools."""
