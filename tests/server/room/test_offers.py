"""GET /v1/fusion and /v1/fusion/models: what there is to choose from, and what of it cannot work here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.deployment import Parts
from fusion_graph.folders import home
from tests.model_lists import ListServer
from tests.server.conftest import Serve, Served
from tests.server.contract.asking import refused
from tests.server.room.asking import found, get, price

KEYS = ["first-key-of-sixteen"]
OWN = """
[house]
description = "Our own"
panel = ["~openai/gpt-latest", {model = "~openai/gpt-latest", name = "the other"}]
judge = "~google/gemini-pro-latest"
tools = ["web_search", "bash"]
max_tool_calls = 7
max_cost_usd = 0.5

[empty]
description = "A preset without a panel"
"""


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Iterator[ListServer]:
    """A server whose list of models stands for OpenRouter's."""
    with ListServer() as lists:
        monkeypatch.setenv("OPENROUTER_BASE_URL", lists.url)
        yield lists


def write_presets(text: str) -> None:
    path = home("config") / "presets.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def presets(served: Served) -> dict[str, dict[str, Any]]:
    return {preset["name"]: preset for preset in found(served, "fusion")["presets"]}


def test_a_machine_without_a_key_offers_the_demo_and_says_what_the_others_lack(serve: Serve) -> None:
    served = serve(parts=Parts.real())

    told = found(served, "fusion")

    offered = {preset["name"]: preset for preset in told["presets"]}
    assert told["default_preset"] == "demo"
    assert (offered["demo"]["problem"], offered["demo"]["is_demo"]) == ("", True)
    assert "OPENROUTER_API_KEY is not set" in offered["quality"]["problem"]
    assert "export OPENROUTER_API_KEY" in offered["quality"]["problem"]
    assert "\n" not in offered["quality"]["problem"]
    assert len(offered["quality"]["seats"]) == 3


def test_with_a_key_the_default_preset_is_that_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "k")
    served = serve(parts=Parts.real())

    usual = found(served, "fusion")["default_preset"]
    monkeypatch.setenv("FUSION_PRESET", "budget")
    chosen = found(served, "fusion")["default_preset"]

    assert (usual, chosen) == ("quality", "budget")
    assert presets(served)["quality"]["problem"] == ""


def test_own_presets_are_offered_with_their_limits_and_a_broken_one_says_so(serve: Serve) -> None:
    write_presets(OWN)
    served = serve()

    offered = presets(served)

    house = offered["house"]
    assert house["seats"] == ["~openai/gpt-latest", "~openai/gpt-latest"]
    assert (house["judge"], house["writer"]) == ("~google/gemini-pro-latest", "~google/gemini-pro-latest")
    assert (house["tools"], house["max_tool_calls"]) == (["web_search", "bash"], 7)
    assert (house["max_cost_usd"], house["is_demo"]) == (0.5, False)
    assert "names no panel" in offered["empty"]["problem"]
    assert offered["empty"]["seats"] == []


def test_a_preset_file_that_cannot_be_read_is_an_error_that_names_it(serve: Serve) -> None:
    write_presets("[house")

    error = refused(get(serve(), "fusion"))

    assert (error["param"], "presets.toml" in error["message"]) == ("preset", True)


def test_tools_that_are_not_there_say_what_to_do(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_BASH", "none")
    served = serve()

    tools = {tool["name"]: tool["problem"] for tool in found(served, "fusion")["tools"]}

    assert "FUSION_SEARCH" in tools["web_search"]
    assert tools["web_fetch"] == ""
    assert "bash is not offered: FUSION_BASH=none" in tools["bash"]


def test_a_search_of_the_providers_is_no_problem(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FUSION_SEARCH", "native")
    native = {tool["name"]: tool["problem"] for tool in found(serve(), "fusion")["tools"]}
    monkeypatch.setenv("FUSION_SEARCH", f"local:{tmp_path}")
    local = {tool["name"]: tool["problem"] for tool in found(serve(), "fusion")["tools"]}

    assert native["web_search"] == local["web_search"] == ""


def test_limits_and_efforts_are_told(serve: Serve) -> None:
    told, closed = found(serve(), "fusion"), found(serve(models=["north"]), "fusion")

    assert (told["max_seats"], told["max_tool_calls"]) == (8, 16)
    assert told["reasoning"] == ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
    assert (told["any_model"], closed["any_model"]) == (True, False)


# Models


def test_only_models_that_may_be_named_are_listed(serve: Serve, lists: ListServer) -> None:
    served = serve(models=["perplexity/sonar"])

    told = found(served, "fusion/models", limit=1000)

    names = {row["name"] for row in told["data"]}
    assert {"perplexity/sonar", "demo:careful", "~anthropic/claude-opus-latest"} <= names
    assert "anthropic/claude-opus-4.8" in names  # of the presets of the table
    assert "google/gemma-9b:free" not in names
    assert told["matching"] == told["total"] == len(names)
    assert lists.paths == []


def test_all_models_are_listed_where_any_may_be_named_and_the_server_is_asked_once(
    serve: Serve, lists: ListServer
) -> None:
    served = serve()

    told = [
        found(served, "fusion/models", q=words) for words in ("gemma free", "GEMMA :free", "sonar perplexity", "nobody")
    ]

    first, same, sonar, none = told
    assert first["data"] == same["data"]
    assert first["data"][0] == {
        "name": "google/gemma-9b:free",
        "input_usd_per_mtok": 0.0,
        "output_usd_per_mtok": 0.0,
        "context_tokens": 8192,
    }
    assert "perplexity/sonar" in {row["name"] for row in sonar["data"]}
    assert (none["data"], none["matching"]) == ([], 0)
    assert none["total"] > 100
    assert lists.paths == ["/v1/models"]


def test_a_server_that_is_away_is_not_asked_at_every_letter(serve: Serve, lists: ListServer) -> None:
    lists.answer = lambda _path: (500, "")
    served = serve()

    counts = [found(served, "fusion/models", q=words)["matching"] for words in ("c", "cl", "claude")]

    assert all(counts)
    assert len(lists.paths) == 1


def test_names_that_begin_with_what_was_typed_come_first(serve: Serve, lists: ListServer) -> None:
    served = serve(models=["x:opus-of-mine", "far/x-opus", "opus/far", "*"])

    names = [row["name"] for row in found(served, "fusion/models", q="opus", limit=4)["data"]]

    assert names[0] == "opus/far"
    assert names[1] == "x:opus-of-mine"
    assert "far/x-opus" not in names[:2]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many"])
def test_a_limit_out_of_range_is_refused(served: Served, limit: str) -> None:
    assert refused(get(served, "fusion/models", limit=limit))["param"] == "limit"


@pytest.mark.parametrize("path", ["fusion", "fusion/models", "responses", "responses/a/details"])
def test_strangers_are_told_nothing(serve: Serve, path: str) -> None:
    served = serve(keys=KEYS)

    assert refused(get(served, path), 401)["type"] == "authentication_error"
    assert refused(price(served, model="fusion"), 401)["type"] == "authentication_error"
