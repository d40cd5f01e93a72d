"""`fusion serve` as a process that can be killed and started again, and what is asked of it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.commands import Cli, Running, wait_until
from tests.model_server import judge, panelist, writer
from tests.ports import answers, free_port


def either(writes: Any) -> Any:
    """A model that compares as the judge, and writes."""

    def behave(asked: Any) -> Any:
        wants_json = asked.response_format or asked.forces_a_tool
        return judge()(asked) if wants_json else writes(asked)

    return behave


PANEL = ["openai:one", "openai:two", "openai:three"]
PLUGIN = {"id": "fusion", "analysis_models": PANEL, "model": "openai:judge"}
OUTER = {"judge": either(writer()), "one": panelist(), "two": panelist(), "three": panelist(), "writer": writer()}


def request(**body: Any) -> dict[str, Any]:
    return {"model": "fusion", "plugins": [PLUGIN], "input": "When did the bridge open?", **body}


@dataclass
class Server:
    """`fusion serve` as a process that can be killed and started again on the same port and database."""

    cli: Cli
    port: int
    running: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def responses(self) -> str:
        return f"{self.url}/v1/responses"

    def start(self) -> None:
        running = self.running = self.cli.start("serve", "--port", str(self.port), "--drain", "0")
        wait_until(lambda: answers(self.port) or "rror" in running.stderr)
        assert answers(self.port), running.stderr

    def end(self, number: int = signal.SIGKILL) -> None:
        if self.running is not None:
            self.running.send_signal(number)
            self.running.wait()
            self.running = None

    def ask(self, **body: Any) -> dict[str, Any]:
        told: dict[str, Any] = httpx.post(self.responses, json=request(**body), timeout=60).json()
        return told

    def fetched(self, response_id: str) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.responses}/{response_id}", timeout=60).json()
        return told

    def ended(self, response_id: str) -> dict[str, Any]:
        wait_until(lambda: self.fetched(response_id)["status"] != "in_progress")
        return self.fetched(response_id)


@contextmanager
def started(cli: Cli) -> Iterator[Server]:
    """Start a server on a port of its own; stop it in the end."""
    server = Server(cli, free_port())
    try:
        server.start()
        yield server
    finally:
        server.end(signal.SIGTERM)
