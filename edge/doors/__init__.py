"""Requests carried out as the gate decided: over HTTP, WebSocket and MCP."""
