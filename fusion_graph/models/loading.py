"""`load_model`: from a name in the settings to a LangChain chat model."""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fusion_graph.models.names import check_model, parse_name
from fusion_graph.models.providers import SERVERS

if TYPE_CHECKING:  # importing these takes a second or two, which whoever only checks names need not wait for
    from langchain_core.language_models import BaseChatModel

    from fusion_graph.models.compatible import CompatibleChat

NO_KEY = "not-needed"  # the SDK wants one; a local server does not look at it


def load_model(
    name: str, *, temperature: float | None = None, max_tokens: int | None = None, reasoning: str | None = None
) -> "BaseChatModel":
    """Return the chat model of a name; None leaves a parameter to the provider.

    `openrouter:vendor/model`, or plain `vendor/model`: OpenRouter. `openai:model`: OpenAI, or whatever server
    OPENAI_BASE_URL points to. Any other `provider:model` goes through LangChain's integration of that provider.
    `reasoning` is an effort ("low", "high", ...) or a number of tokens; it is not sent where the provider knows no such
    thing. The SDKs' own retries are off, and what comes back is uniform, see `replies`. Who asks for the
    same again gets the same object: building one, and LangChain's first look at it, take a millisecond.

    Raises:
        ModelLoadError: the name cannot be read; its kinds are MissingKeyError and MissingPackageError.
    """
    check_model(name)
    provider, model = parse_name(name)
    if provider in SERVERS:
        return _from_server(provider, model, temperature, max_tokens, reasoning)
    from fusion_graph.models.integrations import load_integration  # noqa: PLC0415  (heavy)

    return load_integration(name, temperature=temperature, max_tokens=max_tokens, reasoning=reasoning)


async def close_clients() -> None:
    """Close the HTTP clients of the running event loop. One that ends through `asyncio.run` does so by itself."""
    from fusion_graph.models import clients  # noqa: PLC0415  (heavy)

    await clients.close_clients()


def _from_server(
    provider: str, model: str, temperature: float | None, max_tokens: int | None, reasoning: str | None
) -> "CompatibleChat":
    server = SERVERS[provider]
    url, key = server.base_url(os.environ), os.environ.get(server.key) or NO_KEY
    is_official = server.is_official(os.environ)
    return _made(
        provider, url, server.public_url(os.environ), key, is_official, model, temperature, max_tokens, reasoning
    )


@lru_cache(maxsize=128)
def _made(  # noqa: PLR0913, PLR0917  (all that models differ in)
    provider: str,
    url: str,
    public_url: str,
    key: str,
    is_official: bool,  # noqa: FBT001
    model: str,
    temperature: float | None,
    max_tokens: int | None,
    reasoning: str | None,
) -> "CompatibleChat":
    """Return a model that is shared by all who ask for the same: it holds nothing of a call, nor of an event loop."""
    from pydantic import SecretStr  # noqa: PLC0415  (heavy, as are those below)

    from fusion_graph.models.clients import Late, async_client, sync_client  # noqa: PLC0415
    from fusion_graph.models.compatible import CompatibleChat  # noqa: PLC0415
    from fusion_graph.models.completions import PlainCompletions  # noqa: PLC0415

    return CompatibleChat(
        model=model,
        base_url=public_url,
        api_key=SecretStr(key),
        temperature=temperature,
        max_completion_tokens=max_tokens,
        client=Late(lambda: sync_client(url, key).chat.completions),
        root_client=Late(lambda: sync_client(url, key)),
        async_client=Late(lambda: PlainCompletions(async_client(url, key))),
        root_async_client=Late(lambda: async_client(url, key)),
        **_dialect(provider, is_official=is_official),
        **_reasoning(provider, reasoning),
    )


def _dialect(provider: str, *, is_official: bool) -> dict[str, Any]:
    """Return what makes a server differ from the others; only OpenAI's own has the Responses API for sure."""
    if provider == "openai" and is_official:
        return {"server": "openai"}
    return {"server": "openrouter" if provider == "openrouter" else "other", "use_responses_api": False}


def _reasoning(provider: str, reasoning: str | None) -> dict[str, Any]:
    """Return how a server is told to think; OpenAI's protocol has efforts only, so that a number is not sent."""
    tokens = bool(reasoning and reasoning.isdecimal())
    if provider != "openrouter":
        return {} if tokens or not reasoning else {"reasoning_effort": reasoning}
    asked: dict[str, Any] = {"usage": {"include": True}}
    if reasoning:
        asked["reasoning"] = {"max_tokens": int(reasoning)} if tokens else {"effort": reasoning}
    return {"extra_body": asked}
