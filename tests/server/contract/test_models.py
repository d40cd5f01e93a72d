"""The list of models."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fusion_graph.presets import load_presets
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import refused, roster
from tests.server.talk import chunks

SLUGS = ["fusion", "openrouter/fusion", "openrouter/fusion-flash"]
FIELDS: dict[str, Any] = {
    "id": str,
    "object": str,
    "created": int,
    "owned_by": str,
    "name": str,
    "canonical_slug": str,
    "context_length": (int, type(None)),
    "architecture": dict,
    "pricing": dict,
    "supported_parameters": list,
    "default_parameters": (dict, type(None)),
    "per_request_limits": (dict, type(None)),
    "supported_voices": (list, type(None)),
    "top_provider": dict,
    "links": dict,
}


@pytest.fixture
def served(serve: Serve) -> Served:
    """Return a server of the test's own, which reads the presets of the test."""
    return serve(judge=judge_and_writer)


def get(served: Served, path: str = "", **query: Any) -> httpx.Response:
    return httpx.get(f"{served.url}/v1/models{path}", params=query)


def listed(served: Served) -> dict[str, Any]:
    """Return the models by their ids."""
    return {model["id"]: model for model in get(served).json()["data"]}


def write_preset(*panel: str) -> None:
    """Write a preset `mine` of these models into the user's folder."""
    names = ", ".join(f'"{name}"' for name in panel)
    path = Path(os.environ["FUSION_HOME"]) / "presets.toml"
    path.write_text(f'[mine]\npanel = [{names}]\njudge = "{panel[0]}"\n', encoding="utf-8")


@pytest.mark.contract("5.20")
def test_the_slugs_and_the_presets_are_listed(served: Served) -> None:
    names = [model["id"] for model in get(served).json()["data"]]

    assert {*SLUGS, *(f"fusion/{preset}" for preset in load_presets())} <= set(names)
    assert len(names) == len(set(names))


@pytest.mark.contract("5.32")
def test_models_that_may_be_named_are_listed(serve: Serve) -> None:
    served = serve(models=["north", "vendor/model"])

    names = set(listed(served))

    assert {"north", "vendor/model", *roster("quality")[0]} <= names
    assert "*" not in names


@pytest.mark.contract("5.21")
@pytest.mark.parametrize("slug", SLUGS)
def test_slugs_take_tools(served: Served, slug: str) -> None:
    assert {"tools", "tool_choice", "response_format"} <= set(listed(served)[slug]["supported_parameters"])


@pytest.mark.contract("5.26", "5.22")
def test_each_model_has_every_field_that_typed_clients_demand(served: Served) -> None:
    models = get(served).json()["data"]

    wrong = {(m["id"], name) for m in models for name, kind in FIELDS.items() if not isinstance(m.get(name, ...), kind)}
    assert wrong == set()
    assert {model["object"] for model in models} == {"model"}
    for model in models:
        assert isinstance(model["architecture"]["modality"], str)
        assert model["architecture"]["input_modalities"] == model["architecture"]["output_modalities"] == ["text"]
        assert isinstance(model["top_provider"]["is_moderated"], bool)
        assert model["links"]["details"].endswith(model["id"])
        assert model["context_length"] is None or model["context_length"] > 0
        assert all(isinstance(each, str) for each in model["supported_parameters"])


@pytest.mark.contract("5.23")
def test_prices_are_texts_of_numbers_that_are_not_negative(served: Served) -> None:
    prices = [model["pricing"][part] for model in get(served).json()["data"] for part in ("prompt", "completion")]

    assert all(isinstance(price, str) for price in prices)
    assert all(0 <= float(price) < 1 for price in prices)


@pytest.mark.contract("5.24")
def test_a_price_that_nobody_knows_is_said_to_be_unknown(served: Served) -> None:
    write_preset("openai:gpt-4o", "nobody:knows-it")

    mine = listed(served)["fusion/mine"]

    assert mine["pricing"]["prompt"] == mine["pricing"]["completion"] == "0"
    assert mine["x_fusion"]["price_known"] is False


@pytest.mark.contract("5.25")
def test_a_price_that_is_known_is_a_bound_for_the_panels(served: Served) -> None:
    write_preset("openai:gpt-4o", "openai:gpt-4o-mini")

    models = listed(served)

    mine, dearest = models["fusion/mine"], models["openai:gpt-4o"]
    assert (mine["x_fusion"]["price_known"], dearest["x_fusion"]["price_known"]) == (True, True)
    for part in ("prompt", "completion"):
        assert float(mine["pricing"][part]) >= float(dearest["pricing"][part]) > 0


@pytest.mark.contract("5.34", "5.22")
def test_a_slugs_context_is_not_longer_than_its_panels(served: Served) -> None:
    models = listed(served)

    for preset in load_presets():
        whole, parts = models[f"fusion/{preset}"], [models[name] for name in roster(preset)[0] if name in models]
        known = [part["context_length"] for part in parts if part["context_length"] is not None]
        assert whole["context_length"] is None or whole["context_length"] <= min(known)


@pytest.mark.contract("5.27")
def test_the_list_says_how_long_it_is(served: Served) -> None:
    told = get(served).json()

    assert told["object"] == "list"
    assert told["total_count"] == len(told["data"]) > len(SLUGS)
    assert told["links"] == {"next": None}


@pytest.mark.contract("5.28", "5.27")
def test_the_list_comes_in_pages(served: Served) -> None:
    whole = get(served).json()

    pages = [get(served, offset=offset, limit=4).json() for offset in range(0, whole["total_count"], 4)]

    assert [model for page in pages for model in page["data"]] == whole["data"]
    assert {page["total_count"] for page in pages} == {whole["total_count"]}
    assert [page["links"]["next"] is None for page in pages] == [False] * (len(pages) - 1) + [True]
    assert get(served, offset=0, limit=500).json() == whole
    assert get(served, offset=10_000, limit=5).json()["data"] == []


@pytest.mark.contract("5.33", "3.16")
@pytest.mark.parametrize("query", [{"limit": "many"}, {"limit": 0}, {"limit": -1}, {"offset": -1}, {"offset": "x"}])
def test_a_page_that_cannot_be_is_refused(served: Served, query: dict[str, Any]) -> None:
    response = get(served, **query)

    assert refused(response)["param"] == next(iter(query))


@pytest.mark.contract("5.29")
@pytest.mark.parametrize("name", [*SLUGS, "fusion/budget", "~openai/gpt-latest", "demo:judge"])
def test_one_model_is_found_by_its_name(served: Served, name: str) -> None:
    plain, escaped = get(served, f"/{name}").json(), get(served, f"/{quote(name, safe='')}").json()

    assert plain["id"] == name
    assert plain == escaped == listed(served)[name]


@pytest.mark.contract("5.30", "3.17")
@pytest.mark.parametrize("name", ["stranger", "fusion/nonsense", "openrouter%2Fnonsense", "%00", "a" * 1000])
def test_a_model_that_is_not_offered_is_not_found(served: Served, name: str) -> None:
    error = refused(get(served, f"/{name}"), 404)

    assert error["type"] == "not_found_error"
    assert error["param"] == "model"


@pytest.mark.contract("5.20", "1.4")
@pytest.mark.parametrize("stream", [False, True])
def test_a_slug_that_is_listed_is_taken(served: Served, stream: bool) -> None:  # noqa: FBT001
    names = [name for name in listed(served) if name in SLUGS]

    told = [served.chat(model=name, stream=stream) for name in names]

    assert [chunks(each)[0]["model"] if stream else each.json()["model"] for each in told] == ["judge"] * len(SLUGS)
