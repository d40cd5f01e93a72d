"""Prices: the provider's figure first, then the bundled table, and None wherever neither knows."""

import socket
from datetime import UTC, datetime
from typing import Any

import genai_prices
import pytest
from genai_prices import data_snapshot
from langchain_core.messages import AIMessage

from fusion_graph.models import estimate_price, price

TABLE = f"genai-prices {genai_prices.__version__}"
READ = 100_000  # below the size from which some models cost more per token


@pytest.fixture(autouse=True)
def _official(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_BASE_URL", "OPENROUTER_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def answer(*, read: int = 0, written: dict[str, int] | None = None, **metadata: Any) -> AIMessage:
    usage = {"input_tokens": READ, "output_tokens": 1000, "total_tokens": READ + 1000}
    details = {"cache_read": read, **(written or {})}
    return AIMessage("x", usage_metadata=usage | {"input_token_details": details}, response_metadata=metadata)


@pytest.mark.parametrize("cost", [0.0123, 0, 0.0])
def test_the_providers_own_figure_wins_and_may_be_zero(cost: float) -> None:
    assert price("vendor/model:free", answer(cost=cost)) == (cost, "provider")
    assert price("openai:gpt-4o", AIMessage("x", response_metadata={"cost": cost})) == (cost, "provider")


@pytest.mark.parametrize(
    ("name", "usd"),
    [
        ("openai:gpt-4o", 0.25 + 0.01),
        ("anthropic:claude-sonnet-4-5", 0.3 + 0.015),
        ("google_genai:gemini-2.5-pro", 0.125 + 0.01),
        ("groq:llama-3.3-70b-versatile", 0.059 + 0.00079),
        ("openai/gpt-4o", 0.25 + 0.01),
        ("openrouter:openai/gpt-4o", 0.25 + 0.01),
    ],
)
def test_a_model_in_the_table_has_a_price(name: str, usd: float) -> None:
    for found, source in (price(name, answer()), estimate_price(name, READ, 1000)):
        assert found == pytest.approx(usd)
        assert source == TABLE


@pytest.mark.parametrize(
    "name",
    [
        "openai:my-own-model",
        "ollama:llama3",
        "demo:careful",
        "alpha",
        "vendor/model",
        "openrouter/auto",
        "meta-llama/llama-3.3-70b-instruct:free",
        "openai/gpt-4o:online",
    ],
)
def test_an_unknown_price_is_none_and_never_zero(name: str) -> None:
    assert price(name, answer()) == (None, None)
    assert estimate_price(name, READ, 1000) == (None, None)


def test_an_answer_that_counts_no_tokens_has_no_price() -> None:
    assert price("openai:gpt-4o", AIMessage("x")) == (None, None)


def test_no_tokens_are_no_price() -> None:
    assert estimate_price("openai:gpt-4o", 0, 0) == (None, None)


def test_a_model_behind_a_custom_server_is_not_openais_model_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8080/v1")
    monkeypatch.setenv("OPENROUTER_BASE_URL", "http://api.openrouter.ai.evil.example/v1")

    assert price("openai:gpt-4o", answer()) == (None, None)
    assert price("openai/gpt-4o", answer()) == (None, None)
    assert price("openai:gpt-4o", answer(cost=0.5)) == (0.5, "provider")


def test_cached_tokens_have_a_price_of_their_own() -> None:
    usd, _ = price("openai:gpt-4o", answer(read=READ))

    assert usd == pytest.approx(0.125 + 0.01)


@pytest.mark.parametrize("key", ["cache_creation", "ephemeral_5m_input_tokens"])
def test_tokens_written_to_a_cache_cost_more(key: str) -> None:
    plain, _ = price("anthropic:claude-sonnet-4-5", answer())
    written, _ = price("anthropic:claude-sonnet-4-5", answer(written={key: READ}))

    assert plain is not None
    assert written is not None
    assert written - plain == pytest.approx(0.075)


def test_more_cached_tokens_than_tokens_are_no_price() -> None:
    assert price("openai:gpt-4o", answer(read=2 * READ)) == (None, None)


def test_a_routers_answer_is_priced_as_the_model_that_served_it() -> None:
    usd, _ = price("openrouter/auto", answer(model_name="openai/gpt-4o"))

    assert usd == pytest.approx(0.26)


def test_looking_a_price_up_touches_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    data_snapshot._bundled_snapshot.cache_clear()

    assert price("openai:gpt-4o", answer())[0]


def test_a_table_the_application_updated_itself_is_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = data_snapshot.get_snapshot()
    updated = data_snapshot.DataSnapshot(bundled.providers, from_auto_update=True)
    updated.timestamp = datetime(2026, 11, 20, tzinfo=UTC)
    monkeypatch.setattr(data_snapshot, "_custom_snapshot", updated)

    assert price("openai:gpt-4o", answer())[1] == f"{TABLE} (2026-11-20)"
