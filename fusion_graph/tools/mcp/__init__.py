"""Tools of MCP servers: how servers are configured, started and called."""
