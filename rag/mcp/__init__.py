"""Archivar as an MCP server: its tools, whatever carries them. `rag.api.mcp` serves them over HTTP, `rag.cli.mcp` over
stdin and stdout."""
