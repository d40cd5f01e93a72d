"""`fusion mcp`: the panel as tools for agents."""

import importlib.util
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_graph.cli.app import Database, app, refused, tell, with_runs
from fusion_graph.cli.serving import config_for, listening_at, logging_of, prepared, who_may_ask
from fusion_graph.errors import FusionError, MissingPackageError

if TYPE_CHECKING:
    from fusion_graph.runs import Runs
    from fusion_graph.server.config import ServerConfig


@app.command("mcp")
def serve_mcp(
    http: Annotated[bool, typer.Option("--http", help="Serve streamable HTTP in place of stdin and stdout.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than the loopback needs API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8766,
    db: Database = None,
) -> None:
    """Serve the panel to agents as tools over MCP: fusion_ask, fusion_result, fusion_estimate, fusion_cancel.

    An agent starts it itself: command `fusion`, arguments `mcp`. With --http it listens at http://127.0.0.1:8766/mcp for
    who has a key of FUSION_API_KEYS, without any for this machine alone. Stopped, it leaves its runs at their last step:
    fusion_result, or fusion runs resume, goes on with them.

    Example: claude mcp add fusion -- fusion mcp
    """
    # Before LangGraph is imported: checkpoints then load plain data only.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    try:
        if importlib.util.find_spec("mcp") is None:
            raise MissingPackageError(
                "mcp is not installed", needed_by="fusion mcp", hint="pip install 'fusion-graph[mcp]'"
            )
        _serve_http(host, port, db) if http else _serve_stdio(config_for("127.0.0.1", db), db)
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=False)) from None


def _serve_http(host: str, port: int, db: str | None) -> None:
    from fusion_graph.server.draining import DrainingServer
    from fusion_graph.server.mcp.http import PATH, make_mcp_app

    log_config = logging_of(os.environ)
    config, served = prepared(lambda: config_for(host, db), make_mcp_app)
    listening = listening_at(host, port, "fusion mcp --http")
    tell(f"fusion serves MCP at http://{host}:{listening.getsockname()[1]}{PATH} ({who_may_ask(config)})")
    DrainingServer(served, drain=0, host=host, port=port, log_config=log_config).run([listening])


def _serve_stdio(config: "ServerConfig", db: str | None) -> None:
    import logging.config

    logging.config.dictConfig(logging_of(os.environ))
    # Who starts this process is its user, who may ask any model.
    own = replace(config, models=frozenset({"*"}))

    async def work(runs: "Runs") -> int:
        from fusion_graph.deployment import Parts
        from fusion_graph.server.mcp.stdio import serve_stdio

        Parts.real(environ=own.environ).panel_tools.shells.refuse_unsandboxed()
        await serve_stdio(runs, own)
        return 0

    with_runs(db, work, as_json=False)
