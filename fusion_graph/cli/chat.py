"""`fusion chat`: the page, in a browser."""

import os
import threading
import webbrowser
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from fusion_graph.cli.app import Database, app, refused, tell
from fusion_graph.cli.serving import DRAIN_SECONDS, config_for, logging_of, prepared, who_may_ask
from fusion_graph.errors import SettingsError

if TYPE_CHECKING:
    from fusion_graph.server.config import ServerConfig

_HOST = "127.0.0.1"
_ANSWERING_SECONDS = 5.0  # for who listens on the port to say who it is


@app.command("chat")
def chat(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8765,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open a browser.")] = False,
    db: Database = None,
) -> None:
    """Ask a panel in the browser, watch it at work, and come back to every run.

    Starts the server of fusion serve, on this machine alone, and opens its page, or that of the one which is there already.
    BROWSER names another browser. Without FUSION_API_KEYS and FUSION_SERVER_MODELS any model may be asked. Stopped with
    Ctrl-C, it leaves its runs at their last step: the page goes on with them, and so does fusion runs resume.

    Example: fusion chat
    """
    # Before LangGraph is imported: checkpoints then load plain data only.
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
    page = f"http://{_HOST}:{port}/"
    try:
        is_there = _is_served(page, port)
    except SettingsError as error:
        raise typer.Exit(refused(error, as_json=False)) from None
    if is_there:
        tell(f"fusion is at {page} already")
        _open(page, no_open=no_open)
        return

    from fusion_graph.server.app import make_app
    from fusion_graph.server.chatroom.opening import OpeningServer

    log_config = logging_of(os.environ)
    config, served = prepared(lambda: _config(db), make_app)

    def opened() -> None:
        tell(f"fusion is at {page} ({who_may_ask(config)}); Ctrl-C ends it")
        threading.Thread(target=_open, args=(page,), kwargs={"no_open": no_open}, daemon=True).start()

    OpeningServer(served, opened=opened, drain=DRAIN_SECONDS, host=_HOST, port=port, log_config=log_config).run()


def _config(db: str | None) -> "ServerConfig":
    config = config_for(_HOST, db)
    # Who starts this process is its user, who may ask any model.
    return config if config.keys or config.models else replace(config, models=frozenset({"*"}))


def _is_served(page: str, port: int) -> bool:
    """Return whether the page is there, False if nobody listens. Raises SettingsError: somebody else does."""
    import httpx

    try:
        with httpx.Client(base_url=page, timeout=_ANSWERING_SECONDS, trust_env=False) as client:
            health, kind = client.get("healthz").json(), client.get("").headers["content-type"]
    except httpx.ConnectError:
        return False
    except (httpx.HTTPError, LookupError, ValueError):
        health, kind = None, ""
    if isinstance(health, dict) and health.keys() == {"status", "version"} and kind.startswith("text/html"):
        return True
    raise SettingsError(
        f"--port {port} is taken by another program", field="port", value=port, hint=f"fusion chat --port {port + 1}"
    )


def _open(page: str, *, no_open: bool) -> None:
    if not no_open and not webbrowser.open(page):
        tell(f"no browser was found; open {page} in one")
