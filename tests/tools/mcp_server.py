"""A small MCP server: `mcp_server.py stdio|http|sse`. Over HTTP it first prints its port.

What happens is appended to the file MCP_SERVER_LOG, as `list PID` or `call PID`.
"""

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from mcp.server.fastmcp import Context, FastMCP, Image
from mcp.types import CallToolResult, EmbeddedResource, ResourceLink, TextResourceContents, Tool
from pydantic import AnyUrl, Field


def log(event: str) -> None:
    if path := os.environ.get("MCP_SERVER_LOG"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{event} {os.getpid()}\n")


class Server(FastMCP):
    async def list_tools(self) -> list[Tool]:
        log("list")
        await asyncio.sleep(float(os.environ.get("MCP_SERVER_LIST_SECONDS", "0")))
        return await super().list_tools()


server = Server("test", log_level="ERROR")


@server.tool()
def echo(text: Annotated[str, Field(description="What to\u200b say. " * 200)]) -> str:
    """Say it again."""
    return text


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def named(config: str, runtime: str, run_manager: str) -> str:
    """Take arguments that frameworks like to keep for themselves."""
    return f"{config} {runtime} {run_manager}"


@server.tool()
def fail() -> str:
    """Fail, telling a secret."""
    raise ValueError(f"the disk is full, {os.environ.get('NOTES_TOKEN')}")


@server.tool()
def die() -> str:
    """End the server."""
    os._exit(3)


@server.tool()
async def slow() -> str:
    """Take a minute."""
    log("call")
    await asyncio.sleep(60)
    return "late"


@server.tool()
def stuck() -> str:
    """Take a minute in which nothing else is noticed."""
    log("call")
    time.sleep(60)
    return "late"


@server.tool(description="Describe at length\U000e0041. " * 200)
def long() -> str:
    return "word " * 20_000


@server.tool(structured_output=False)
def picture() -> list[Any]:
    """Show a picture."""
    return ["before\u200b", Image(data=b"\x89PNG", format="png"), "after"]


@server.tool(structured_output=False)
def places() -> list[Any]:
    """Return a document, and where another one is."""
    uri = AnyUrl("file:///notes/a.txt")
    document = EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, text="the notes"))
    return [document, ResourceLink(type="resource_link", uri=uri, name="a.txt")]


@server.tool()
def figures() -> CallToolResult:
    """Return nothing but structure."""
    return CallToolResult(content=[], structuredContent={"tea": 3})


@server.tool()
def mumble() -> CallToolResult:
    """Fail without a word."""
    return CallToolResult(content=[], isError=True)


@server.tool()
def headers(context: Context[Any, Any, Any]) -> str:
    """Return the headers of the request."""
    request = context.request_context.request
    return "\n".join(f"{name}: {value}" for name, value in request.headers.items()) if request else "none"


@server.tool(name="bad name.of/a tool")
def bad_name() -> str:
    """Have a name that models are not allowed to use."""
    return "called"


@server.tool(name="n" * 80)
def long_name() -> str:
    """Have a name that is too long."""
    return "called"


def main(transport: str) -> None:
    sys.stderr.write("noise on stderr\n")
    if transport == "stdio":
        print("noise on stdout", flush=True)  # noqa: T201 - as many servers do by mistake
        server.run("stdio")
    else:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - read by who started this
        app = server.sse_app() if transport == "sse" else server.streamable_http_app()
        uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
