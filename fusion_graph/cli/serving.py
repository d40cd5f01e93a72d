"""`fusion serve`: the OpenAI-compatible server; and what all commands share that serve over HTTP."""

import os
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph.cli.app import Database, app, refused, tell, unusable, wait_for
from fusion_graph.database.address import faults
from fusion_graph.errors import FusionError, SettingsError

if TYPE_CHECKING:
    from fusion_graph.server.access.guard import Guard
    from fusion_graph.server.config import ServerConfig

DRAIN_SECONDS = 5
_LAST_PORT = 65535


@app.command("serve")
def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; another than the loopback needs API keys.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8765,
    drain: Annotated[int, typer.Option(help="Seconds that runs get to end when it is stopped.", min=0)] = DRAIN_SECONDS,
    linger: Annotated[
        int,
        typer.Option(help="Seconds before that in which it takes requests, while /readyz says no to balancers.", min=0),
    ] = 0,
    db: Database = None,
) -> None:
    """Serve fusion to any client of OpenAI's or OpenRouter's API: base URL http://127.0.0.1:8765/v1. The page is at /.

    FUSION_API_KEYS (comma-separated, or one a line in the file FUSION_API_KEYS_FILE) says who may ask; without any, this
    machine alone. FUSION_SERVER_MODELS names models that may be asked for beside those of the presets; * any.
    FUSION_SERVER_MAX_RUNS, FUSION_SERVER_REQUESTS_PER_MINUTE and FUSION_SERVER_USD_PER_DAY limit each key,
    FUSION_SERVER_MAX_RUNS_IN_ALL all of them together; FUSION_SERVER_KEEP_DAYS says how long runs are kept. /healthz and
    /readyz are for balancers, /metrics for Prometheus; FUSION_LOG=json and FUSION_LOG_LEVEL=info tell of each run. Stopped,
    it leaves its runs at their last step: the same request, the next server on the same database, or fusion runs resume
    goes on with them.

    Example: fusion serve --port 9000
    """
    # Before LangGraph is imported: checkpoints then load plain data only.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

    from fusion_graph.server.app import make_app
    from fusion_graph.server.draining import DrainingServer

    log_config = logging_of(os.environ)
    config, served = prepared(lambda: config_for(host, db), make_app)
    listening = listening_at(host, port, "fusion serve")
    tell(f"fusion serves http://{host}:{listening.getsockname()[1]}/v1 ({who_may_ask(config)})")
    DrainingServer(served, drain=drain, linger=linger, host=host, port=port, log_config=log_config).run([listening])


def listening_at(host: str, port: int, command: str) -> socket.socket:
    """Return a socket that listens there; who cannot have it is told so before anything is said to be served."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]
        other = port + 1 if port < _LAST_PORT else 0
        hint = f"another program listens there, or it is no address of this machine: {command} --port {other}"
        refusal = SettingsError(f"--host {host} --port {port}: {why}", field="port", value=port, hint=hint)
        raise typer.Exit(refused(refusal, as_json=False)) from None


def logging_of(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return how a server logs; what is wrong about it ends the command."""
    from fusion_graph.server.logs import log_config

    try:
        return log_config(environ)
    except SettingsError as error:
        raise typer.Exit(refused(error, as_json=False)) from None


def prepared(
    configure: "Callable[[], ServerConfig]", make: "Callable[[ServerConfig], Guard]"
) -> "tuple[ServerConfig, Guard]":
    """Return a server and how it is set up, its database tried. Whatever is wrong is told in words and ends the command."""
    try:
        config = configure()
        served = make(config)
        wait_for(_try(config))
    except FusionError as error:
        raise typer.Exit(refused(error, as_json=False)) from None
    except faults() as error:
        raise typer.Exit(unusable(config.db, error)) from None
    return config, served


async def _try(config: "ServerConfig") -> None:
    from fusion_graph.store import open_store

    async with open_store(config.db):
        pass


def who_may_ask(config: "ServerConfig") -> str:
    """Return whom a server answers."""
    return "with API keys" if config.keys else "no keys: for this machine"


def config_for(host: str, db: str | None) -> "ServerConfig":
    """Return what the environment sets up for a server at this address. Raises SettingsError."""
    from fusion_graph.server.config import ServerConfig
    from fusion_graph.urls import is_loopback

    config = ServerConfig.from_environ(db=db)
    if config.keys or is_loopback(host):
        return config
    hint = "set FUSION_API_KEYS, or leave --host out"
    raise SettingsError(
        f"--host {host} is open to others, and there is no API key", field="host", value=host, hint=hint
    )
