"""The models a user can name: servers' own lists over real HTTP, the cache, the price table, and what goes wrong."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.models import estimate_price, server_lists
from fusion_graph.models.kept_lists import kept_file, read_kept
from fusion_graph.models.listing import Listing, list_models, make_estimate_price, matching
from fusion_graph.models.price_table import models_in_table, with_table_prices
from fusion_graph.models.server_lists import ListedModel, ListingError, fetch_credit, fetch_models
from tests.model_lists import OPENAI, OPENROUTER, ListServer

CANARY = "sk-or-v1-canary0123456789abcdef"
CLOSED = "http://127.0.0.1:9/v1"  # nobody listens on the discard port


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _environ(server: ListServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FUSION_HOME", str(tmp_path))
    monkeypatch.setenv("OPENROUTER_BASE_URL", server.url)
    monkeypatch.setenv("OPENROUTER_API_KEY", CANARY)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def by_name(models: list[ListedModel]) -> dict[str, ListedModel]:
    return {model["name"]: model for model in models}


async def test_openrouters_list_gives_names_prices_per_million_and_contexts(server: ListServer) -> None:
    found = by_name(await fetch_models("openrouter"))

    assert found["anthropic/claude-opus-4.8"] == {
        "name": "anthropic/claude-opus-4.8",
        "provider": "openrouter",
        "input_usd_per_mtok": 5.0,
        "output_usd_per_mtok": 25.0,
        "usd_per_call": 0.0,
        "context_tokens": 1_000_000,
        "source": "openrouter",
    }
    assert found["perplexity/sonar"]["usd_per_call"] == 0.005
    assert server.keys == [f"Bearer {CANARY}"]


async def test_a_price_that_varies_is_unknown_a_free_model_costs_0_and_models_that_only_draw_are_left_out() -> None:
    found = by_name(await fetch_models("openrouter"))

    assert found["openrouter/auto"]["output_usd_per_mtok"] is None
    assert found["google/gemma-9b:free"]["output_usd_per_mtok"] == 0.0
    assert "google/gemini-image" not in found


@pytest.mark.parametrize("body", [OPENAI, OPENAI["data"]])
async def test_a_server_of_openais_protocol_lists_models_without_prices(
    server: ListServer, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
    server.answer = lambda _path: (200, body)

    found = by_name(await fetch_models("openai"))

    assert list(found) == ["openai:gpt-5", "openai:one"]
    assert (found["openai:one"]["input_usd_per_mtok"], found["openai:one"]["context_tokens"]) == (None, 4096)
    assert (server.paths, server.keys) == (["/v1/models"], [None])


async def test_an_empty_list_is_a_list(server: ListServer) -> None:
    server.answer = lambda _path: (200, {"data": []})

    assert await fetch_models("openrouter") == []


async def test_the_pages_of_a_list_are_put_together_but_none_is_fetched_from_another_host(server: ListServer) -> None:
    pages = {
        "/v1/models": {"data": [{"id": "a/one"}], "links": {"next": "/v1/models?offset=1"}},
        "/v1/models?offset=1": {"data": [{"id": "a/two"}], "links": {"next": "https://elsewhere.example/v1/models"}},
    }
    server.answer = lambda path: (200, pages[path])

    assert list(by_name(await fetch_models("openrouter"))) == ["a/one", "a/two"]


async def test_a_list_whose_pages_never_end_is_left_at_some_point(server: ListServer) -> None:
    server.answer = lambda _path: (
        200,
        {"data": [{"id": "a/one"}], "links": {"next": f"/v1/models?offset={len(server.paths)}"}},
    )

    await fetch_models("openrouter")

    assert len(server.paths) == server_lists.MAX_PAGES


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"error": {"message": f"No auth: {CANARY}"}}, "the key in OPENROUTER_API_KEY is refused"),
        (403, "", "the key in OPENROUTER_API_KEY is refused"),
        (404, "not here", "HTTP status 404"),
        (429, {"error": {"code": 429}}, "HTTP status 429"),
        (500, "<html>", "HTTP status 500"),
        (302, "", "HTTP status 302"),
        (200, "<html>no API here</html>", "is not JSON"),
        (200, "[" * 200_000, "is not JSON"),
        (200, "", "is not JSON"),
        (200, b"\xff\xfe\x00", "is not JSON"),
        (200, {"models": []}, "is not a list of models"),
        (200, {"data": "none"}, "is not a list of models"),
        (200, [{"name": "no id"}, {"id": 7}, {"id": ""}, {"id": "a\nb"}, "gpt"], "is not a list of models"),
        (200, "null", "is not a list of models"),
        (200, b" " * (server_lists.MAX_BYTES + 1), "sends more than 20 MiB"),
    ],
)
async def test_what_is_no_list_is_an_error_in_words_with_a_remedy_and_without_the_key(
    server: ListServer, status: int, body: Any, words: str
) -> None:
    server.answer = lambda _path: (status, body)

    with pytest.raises(ListingError, match=words) as caught:
        await fetch_models("openrouter")

    assert caught.value.hint
    assert CANARY not in f"{caught.value} {caught.value.hint}"
    assert caught.value.refused_key is (status in {401, 403})


async def test_odd_fields_of_a_model_are_unknown_values(server: ListServer) -> None:
    odd = [
        {"id": "a/one", "pricing": None, "architecture": None, "context_length": "many"},
        {"id": "a/two", "pricing": {"prompt": "nan", "completion": True}, "context_length": True},
        {"id": "a/three", "pricing": {"prompt": [], "completion": "1e999"}, "architecture": {"output_modalities": []}},
    ]
    server.answer = lambda _path: (200, {"data": odd})

    found = await fetch_models("openrouter")

    assert len(found) == 3
    assert all(model["input_usd_per_mtok"] is None and model["context_tokens"] is None for model in found)


async def test_a_server_that_hangs_is_left_after_the_time_limit(server: ListServer) -> None:
    server.hang = True
    began = time.monotonic()

    with pytest.raises(ListingError, match=r"did not answer within 0\.2 s"):
        await fetch_models("openrouter", seconds=0.2)

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENROUTER_BASE_URL", CLOSED),
        ("OPENROUTER_BASE_URL", "not a URL"),
        ("OPENROUTER_BASE_URL", "http://[::1/v1"),
        ("OPENROUTER_API_KEY", f"{CANARY}\nä"),
        ("OPENROUTER_API_KEY", f"{CANARY}\r\nX-Evil: 1"),
    ],
)
async def test_what_cannot_even_be_asked_is_an_error_without_the_key(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ListingError, match=r"could not be reached|cannot be asked") as caught:
        await fetch_models("openrouter")

    assert CANARY not in str(caught.value)


async def test_user_and_password_of_a_url_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://me:hunter2secret@127.0.0.1:9/v1")

    with pytest.raises(ListingError) as caught:
        await fetch_models("openrouter")

    assert "hunter2secret" not in str(caught.value)


async def test_a_compressed_answer_is_not_asked_for(server: ListServer) -> None:
    server.answer = lambda _path: (200, gzip.compress(json.dumps(OPENROUTER).encode()))

    with pytest.raises(ListingError, match="not JSON"):
        await fetch_models("openrouter")


@pytest.mark.parametrize(("left", "told"), [(37.66, 37.66), (0, 0.0), (-2.5, 0.0), (None, None), ("much", None)])
async def test_openrouter_tells_what_is_left_of_a_keys_limit(server: ListServer, left: Any, told: float | None) -> None:
    server.answer = lambda _path: (200, {"data": {"label": "sk-or-v1-au7...890", "limit_remaining": left}})

    assert await fetch_credit() == told
    assert server.paths == ["/v1/key"]


async def test_a_list_is_fetched_once_a_day_unless_asked_for(server: ListServer) -> None:
    first = await list_models(provider="openrouter")
    again = await list_models(provider="openrouter")
    assert len(server.paths) == 1

    await list_models(provider="openrouter", refresh=True)

    assert len(server.paths) == 2
    assert first == again
    assert kept_file("openrouter").stat().st_mode & 0o777 == 0o600
    assert CANARY not in kept_file("openrouter").read_text()
    assert names_in(kept_file("openrouter").parent) == ["models-openrouter.json"]


async def test_an_old_list_is_fetched_again_and_serves_while_its_server_is_away(server: ListServer) -> None:
    await list_models(provider="openrouter")
    age(kept_file("openrouter"))
    server.answer = lambda _path: (503, "")

    found = await list_models(provider="openrouter")

    assert len(server.paths) == 2
    assert "anthropic/claude-opus-4.8" in by_name(found["models"])
    assert "HTTP status 503; shown instead: its list of 20" in found["problems"][0]


async def test_a_list_of_another_server_or_a_broken_file_is_no_cache(
    server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await list_models(provider="openrouter")
    kept = kept_file("openrouter").read_text()
    monkeypatch.setenv("OPENROUTER_BASE_URL", CLOSED)
    assert read_kept("openrouter") is None

    monkeypatch.setenv("OPENROUTER_BASE_URL", server.url)
    assert read_kept("openrouter") is not None
    for text in ("", "{", "[]", '{"url": 1}', kept.replace('"name"', '"nom"')):
        kept_file("openrouter").write_text(text)
        assert read_kept("openrouter") is None


async def test_a_cache_that_cannot_be_written_is_told_and_the_list_is_there_all_the_same(tmp_path: Path) -> None:
    kept_file("openrouter").mkdir()  # a folder where the file should be

    found = await list_models(provider="openrouter")

    assert "anthropic/claude-opus-4.8" in by_name(found["models"])
    assert "could not be kept" in found["problems"][0]
    assert names_in(tmp_path) == ["models-openrouter.json"]


async def test_without_network_and_cache_the_table_is_shown_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENROUTER_BASE_URL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, CLOSED)

    found = await list_models(also=["openai:at-home", "demo:careful"])

    models = by_name(found["models"])
    assert models["anthropic:claude-opus-4-8"]["output_usd_per_mtok"] == 25.0
    assert models["anthropic:claude-opus-4-8"]["source"] == "genai-prices"
    assert models["openai:at-home"]["input_usd_per_mtok"] is None
    assert models["demo:careful"]["input_usd_per_mtok"] == 0.0
    assert list(models) == sorted(models)
    assert [problem.partition(" could")[0] for problem in found["problems"]] == [CLOSED, CLOSED]


async def test_openai_is_not_asked_without_a_key_and_says_so_only_to_whom_it_matters() -> None:
    everybody = await list_models()
    asked = await list_models(provider="openai")

    assert everybody["problems"] == []
    assert asked["problems"] == ["OPENAI_API_KEY is not set: openai was not asked for its models"]


async def test_the_tables_prices_are_not_given_to_models_of_a_custom_server(
    server: ListServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.answer = lambda _path: (200, OPENAI)

    models = by_name((await list_models(provider="openai"))["models"])

    assert list(models) == ["openai:gpt-5", "openai:one"]
    assert models["openai:gpt-5"]["input_usd_per_mtok"] is None


def test_openais_own_list_is_filled_with_the_tables_prices() -> None:
    row: ListedModel = {
        "name": "openai:gpt-5",
        "provider": "openai",
        "input_usd_per_mtok": None,
        "output_usd_per_mtok": None,
        "usd_per_call": 0.0,
        "context_tokens": None,
        "source": "openai",
    }

    (filled, other) = with_table_prices([row, {**row, "name": "openai:brand-new"}], models_in_table("openai"))

    assert (filled["input_usd_per_mtok"], filled["output_usd_per_mtok"]) == (1.25, 10.0)
    assert filled["context_tokens"]
    assert other["input_usd_per_mtok"] is None


async def test_an_unknown_provider_gets_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="there is no provider 'antropic'") as caught:
        await list_models(provider="antropic")

    assert caught.value.hint
    assert caught.value.hint.startswith("did you mean 'anthropic'? one of: ")


async def test_a_filter_wants_every_word_in_the_name() -> None:
    found: Listing = await list_models(provider="openrouter")

    assert [model["name"] for model in matching(found["models"], "Claude LATEST")] == ["~anthropic/claude-opus-latest"]
    assert matching(found["models"], "nothing like it") == []


async def test_a_call_is_priced_ahead_by_the_servers_own_list_then_by_the_table() -> None:
    before = make_estimate_price()("~anthropic/claude-opus-latest", 1_000_000, 0)
    await list_models(provider="openrouter")
    price = make_estimate_price()

    assert before == estimate_price("~anthropic/claude-opus-latest", 1_000_000, 0)
    cost, source = price("~anthropic/claude-opus-latest", 1_000_000, 100_000)
    assert cost == pytest.approx(6.0 + 3.0)
    assert (source or "").startswith("openrouter's list of 20")
    assert price("openrouter:perplexity/sonar", 0, 0)[0] == 0.005
    assert price("google/gemma-9b:free", 1000, 1000)[0] == 0.0
    assert price("openrouter/auto", 1000, 1000) == (None, None)
    assert price("demo:careful", 1000, 1000) == (0.0, "demo")
    assert price("openai:gpt-5", 1000, 1000) == estimate_price("openai:gpt-5", 1000, 1000)
    assert price("unheard:of", 1000, 1000) == (None, None)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def age(path: Path) -> None:
    kept = json.loads(path.read_text())
    kept["at"] -= 2 * 86_400
    path.write_text(json.dumps(kept))
