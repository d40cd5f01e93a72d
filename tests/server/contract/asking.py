"""What the tests of the contract ask, and how they read what the server says."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from langchain_core.tools import BaseTool

from fusion_graph.deployment import Parts
from fusion_graph.models.scripted import Script, ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.presets import load_presets
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from tests.server.conftest import PANEL, Served, is_judge, serving

SEATS = ["north", "south", "east"]
FUSION = "openrouter:fusion"
FORCED: dict[str, Any] = {"model": "writer", "tool_choice": {"type": FUSION}}  # the panel, then the writer


def plugin(**fields: Any) -> dict[str, Any]:
    """Return a request's plugin: the panel of scripted models, with these fields in place of its own."""
    return {"plugins": [PANEL | fields]}


def tool(**parameters: Any) -> dict[str, Any]:
    """Return a request with the server tool, and without the plugin."""
    return {"plugins": None, "tools": [{"type": FUSION, "parameters": {"analysis_models": SEATS} | parameters}]}


def user(text: str) -> dict[str, Any]:
    """Return a message of the user."""
    return {"role": "user", "content": text}


def deltas(parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the deltas of some chunks."""
    return [choice["delta"] for part in parts for choice in part["choices"]]


def said(parts: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that some chunks add up to."""
    return "".join(delta.get("content") or "" for delta in deltas(parts))


def message(response: httpx.Response) -> dict[str, Any]:
    """Return the message of a whole completion."""
    (choice,) = response.json()["choices"]
    found: dict[str, Any] = choice["message"]
    return found


def result(response: httpx.Response) -> dict[str, Any]:
    """Return the result of the run that a whole completion tells."""
    (detail,) = message(response)["reasoning_details"]
    found: dict[str, Any] = json.loads(detail["result"])
    return found


def refused(response: httpx.Response, status: int = 400) -> dict[str, Any]:
    """Return the error that a request was refused with."""
    found: dict[str, Any] = response.json()["error"]
    assert (response.status_code, found["code"]) == (status, status)
    return found


def offered(request: ScriptedRequest) -> list[str]:
    """Return the names of the tools that a model was offered."""
    return sorted(each["function"]["name"] for each in request.tools)


def fails(status: int = 500, text: str = "it is down") -> Script:
    """A model whose server answers with a status."""

    def script(_request: ScriptedRequest) -> Any:
        raise ScriptedError(text, status_code=status)

    return script


def empty(_request: ScriptedRequest) -> ScriptedReply:
    """A model that says nothing."""
    return ScriptedReply("")


def fuses(request: ScriptedRequest) -> ScriptedReply | str:
    """A model that calls fusion whenever it is offered, and answers else."""
    if "fusion" in offered(request):
        return ScriptedReply(tool_calls=[{"name": "fusion", "args": {"prompt": "Which?"}, "id": "call_fusion"}])
    return "The answer is 1."


def roster(preset: str) -> tuple[list[str], str]:
    """Return the panel and the judge of a published preset."""
    settings = load_presets()[preset]["settings"]
    return [seat if isinstance(seat, str) else seat["model"] for seat in settings["panel"]], settings["judge"]


def of_presets() -> dict[str, Script]:
    """Return models for all names in the published presets: they answer, compare and write."""
    names = {name for preset in load_presets() for name in (*roster(preset)[0], roster(preset)[1])}
    return {name: _all_round for name in names if not name.startswith("demo:")}


def _all_round(request: ScriptedRequest) -> str:
    return '{"consensus": []}' if is_judge(request) else f"{request.model} says 1."


@contextmanager
def running(
    models: ScriptedModels, db: Path, *, tools: Sequence[BaseTool] = (), environ: Mapping[str, str] = os.environ
) -> Iterator[Served]:
    """Run a server over a database of the test's own, whose panel has these tools beside those it is told of."""
    config = ServerConfig(db, models=frozenset(["*"]), environ=environ)
    with serving(make_app(config, Parts.real(load_model=models, tools=tools, environ=environ))) as url:
        yield Served(url, models, db, lambda: None)


@contextmanager
def running_really(db: Path) -> Iterator[Served]:
    """Run a server whose models are those of the environment."""
    with serving(make_app(ServerConfig(db, models=frozenset(["*"])), Parts.real())) as url:
        yield Served(url, ScriptedModels({}), db, lambda: None)
