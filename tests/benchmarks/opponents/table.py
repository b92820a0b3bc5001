"""Every contender, in the order of the tables: of plain HTTP, and of MCP."""

from tests.benchmarks.opponents import gateways, mcp_servers, ours, proxies, python

OPPONENTS = (*ours.OPPONENTS, *proxies.OPPONENTS, *gateways.OPPONENTS, *python.OPPONENTS)

MCP_OPPONENTS = mcp_servers.OPPONENTS
