"""`fusion mcp`: the panel as tools of an MCP server, for agents, over stdio or streamable HTTP."""
