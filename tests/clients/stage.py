"""`fusion serve` as a process, with models on the loopback behind it, and what a client's session left in both."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.clients.models import MODELS, PANEL
from tests.clients.programs import play
from tests.clients.table import Known
from tests.commands import Cli, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import Entry, ModelServer
from tests.server.restarting import started

KEY, PROVIDERS_KEY = "the-key-of-the-client", "the-key-of-the-operator"
PLAIN_KEY = "the-key-of-a-plain-client"
MODEL = "fusion/bridges"
ONE_RUN = {**dict.fromkeys(PANEL, 1), "judge": 1, "writer": 1}
_KEYS = f"{KEY},{PLAIN_KEY}:plain"
_PRESET = f"""
[bridges]
description = "Two models compare notes on bridges"
panel = {[f"openai:{name}" for name in PANEL]}
judge = "openai:judge"
writer = "openai:writer"
tools = []
"""


def step(name: str, do: str, *given: Any, **own: str) -> dict[str, Any]:
    """Return a step of a session; `own` is its own key or model."""
    return {"name": name, "do": do, "with": given, **own}


def fails_at(saw: dict[str, Any], *steps: str) -> None:
    """See that these steps of a session failed, and no other."""
    failures = {name: told for name, told in saw.items() if isinstance(told, dict) and "error" in told}
    assert failures.keys() == set(steps), failures


@dataclass
class Stage:
    """A server that clients can be sent to."""

    url: str
    models: ModelServer
    cli: Cli

    def play(self, client: Known, steps: list[dict[str, Any]]) -> dict[str, Any]:
        """Send a client there; return what it saw, by the names of the steps."""
        folder = self.cli.folder / client.name
        folder.mkdir()
        model = f"{MODEL}:plain" if client.is_plain else MODEL
        return play(client, folder, {"url": self.url, "key": KEY, "model": model, "steps": steps})

    def entries(self, words: str) -> list[Entry]:
        """Return what was asked of the models about a question that contains these words."""
        return [entry for entry in self.models.log if words in entry.text]

    def asked(self, words: str) -> Counter[str]:
        """Return how often each model was asked about it."""
        return Counter(entry.model for entry in self.entries(words))

    def tokens(self, words: str) -> int:
        """Return what the models billed for it."""
        return sum(entry.billed["total_tokens"] for entry in self.entries(words) if entry.billed)

    def sent(self, words: str) -> list[dict[str, Any]]:
        """Return the items that a client sent to ask a question that contains these words."""
        (run,) = self.runs(words)
        address, headers = f"{self.url}/responses/resp_{run['run_id']}/input_items", {"authorization": f"Bearer {KEY}"}
        items: list[dict[str, Any]] = httpx.get(address, headers=headers).raise_for_status().json()["data"]
        return items

    def runs(self, words: str) -> list[Mapping[str, Any]]:
        """Return the stored runs of a question that contains these words, when all have ended."""
        wait_until(lambda: all(run["status"] != "running" for run in self._runs(words)))
        return self._runs(words)

    def _runs(self, words: str) -> list[Mapping[str, Any]]:
        return [run for run in self.cli.json("runs", "list") if words in run["question"]]


@contextmanager
def open_stage(forked: Forked, folder: Path) -> Iterator[Stage]:
    """Run a server whose key, models and runs are its own."""
    with ModelServer(MODELS, api_key=PROVIDERS_KEY) as models:
        own = {"OPENAI_API_KEY": PROVIDERS_KEY, "FUSION_API_KEYS": _KEYS, "FUSION_SERVER_MODELS": "openai:coder"}
        cli = Cli(forked, folder, own_environ(folder, models.url, **own))
        cli.home.mkdir()
        (cli.home / "presets.toml").write_text(_PRESET)
        with started(cli) as server:
            yield Stage(f"{server.url}/v1", models, cli)
