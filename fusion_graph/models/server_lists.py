"""What a server says it serves: `GET {base}/models` of OpenRouter, and of any server that speaks OpenAI's protocol.

Nothing here calls a model or costs anything. Answers are bounded in time, bytes and pages.
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import TypedDict

from fusion_graph.environment import ENVIRON
from fusion_graph.errors import FusionError, redact
from fusion_graph.models.providers import SERVERS, Server

if TYPE_CHECKING:
    import httpx

SECONDS = 10.0  # OpenRouter's list takes one or two
MAX_BYTES = 20 * 2**20  # OpenRouter's list is about 1 MiB
MAX_PAGES = 20  # of up to 500 models
MAX_NAME = 300  # characters
_PER_MILLION = 1_000_000
_UNAUTHORIZED, _PASSING = {401, 403}, {408, 429, 500, 502, 503, 504}


class ListedModel(TypedDict):
    """A model and how to name it. Prices are USD per million tokens, and per call on top; None: unknown."""

    name: str
    provider: str
    input_usd_per_mtok: float | None
    output_usd_per_mtok: float | None
    usd_per_call: float
    context_tokens: int | None
    source: str


class ListingError(FusionError):
    """A server's list could not be had. `refused_key`: because the server did not take the key."""

    def __init__(self, message: str, *, hint: str, refused_key: bool = False) -> None:
        super().__init__(redact(message), hint=hint)
        self.refused_key = refused_key


async def fetch_models(
    provider: str, environ: Mapping[str, str] = ENVIRON, *, seconds: float = SECONDS
) -> list[ListedModel]:
    """Return the models of a server in `SERVERS` as it lists them now, less those that write no text.

    Raises:
        ListingError: it was not reached, refused, or answered with something else than a list of models.
    """
    server = SERVERS[provider]
    url: str | None = f"{server.base_url(environ)}/models"
    entries: list[dict[str, Any]] = []
    async with _asking(server, environ, seconds) as client:
        for _ in range(MAX_PAGES):
            if url is None:
                break
            answer = await _get(client, url, server)
            entries += _entries(answer, url, server)
            url = _following(answer, client, url)
    return [_listed(entry, provider) for entry in entries if _writes_text(entry)]


async def fetch_credit(environ: Mapping[str, str] = ENVIRON, *, seconds: float = SECONDS) -> float | None:
    """Return what OpenRouter's key may still spend in USD, None if it has no limit. Its list of models asks for no key.

    Raises:
        ListingError: the key is refused, or there was no answer.
    """
    server = SERVERS["openrouter"]
    async with _asking(server, environ, seconds) as client:
        answer = await _get(client, f"{server.base_url(environ)}/key", server)
    data = answer.get("data") if isinstance(answer, dict) else None
    left = data.get("limit_remaining") if isinstance(data, dict) else None
    return max(0.0, float(left)) if isinstance(left, int | float) else None


@asynccontextmanager
async def _asking(server: Server, environ: Mapping[str, str], seconds: float) -> AsyncIterator["httpx.AsyncClient"]:
    """Give a client that sends the server's key; what goes wrong with the connection becomes a ListingError."""
    httpx = await asyncio.to_thread(_httpx)
    base = server.base_url(environ)
    try:
        async with asyncio.timeout(seconds):
            async with httpx.AsyncClient(timeout=seconds, headers=_headers(server, environ)) as client:
                yield client
    except (TimeoutError, httpx.TimeoutException) as error:
        raise ListingError(f"{base} did not answer within {seconds:g} s", hint=_where(server)) from error
    except (httpx.LocalProtocolError, httpx.InvalidURL, ValueError):  # whose text may quote the key
        message = f"{base} cannot be asked: {server.url} or {server.key} holds characters that no request may"
        raise ListingError(message, hint=_where(server)) from None
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        raise ListingError(f"{base} could not be reached: {why}", hint=_where(server)) from error


def _httpx() -> Any:
    import httpx  # noqa: PLC0415 - a third of a second, which must not stop an event loop

    return httpx


def _headers(server: Server, environ: Mapping[str, str]) -> dict[str, str]:
    key = environ.get(server.key, "").strip()
    # Not compressed: what a small body unpacks to could not be bounded.
    return {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})


async def _get(client: "httpx.AsyncClient", url: str, server: Server) -> Any:
    """Return the JSON at `url`."""
    body = bytearray()
    async with client.stream("GET", url) as reply:
        if not reply.is_success:
            raise _refusal(url, reply.status_code, server, sent_key="authorization" in client.headers)
        async for part in reply.aiter_bytes():
            body += part
            if len(body) > MAX_BYTES:
                raise ListingError(f"{url} sends more than {MAX_BYTES >> 20} MiB", hint=_protocol(server))
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ListingError(f"the answer of {url} is not JSON", hint=_protocol(server)) from error


def _refusal(url: str, status: int, server: Server, *, sent_key: bool) -> ListingError:
    if status in _UNAUTHORIZED:
        hint = f"check {server.key}: it may be mistyped, revoked, or for another server"
        what = f"the key in {server.key} is refused" if sent_key else f"{server.key} is not set, and a key is asked for"
        return ListingError(f"{what} by {url} (HTTP {status})", hint=hint, refused_key=True)
    hint = "try again in a minute" if status in _PASSING else _where(server)
    return ListingError(f"{url} answered with HTTP status {status}", hint=hint)


def _where(server: Server) -> str:
    return f"check the network, and {server.url} if it is set"


def _protocol(server: Server) -> str:
    return f"{server.url} has to name a server that speaks OpenAI's protocol, its path up to /v1"


def _entries(answer: Any, url: str, server: Server) -> list[dict[str, Any]]:
    """Return the models of a page: of OpenAI's `{"data": [...]}`, or of a bare list, as some servers answer."""
    found = answer.get("data") if isinstance(answer, dict) else answer
    sound = [entry for entry in found if _is_named(entry)] if isinstance(found, list) else []
    if not isinstance(found, list) or (found and not sound):
        raise ListingError(f"the answer of {url} is not a list of models", hint=_protocol(server))
    return sound


def _is_named(entry: Any) -> bool:
    name = entry.get("id") if isinstance(entry, dict) else None
    return isinstance(name, str) and 0 < len(name.strip()) <= MAX_NAME and name.isprintable()


def _following(answer: Any, client: "httpx.AsyncClient", url: str) -> str | None:
    """Return the URL of the next page, never one of another host: the key goes along."""
    links = answer.get("links") if isinstance(answer, dict) else None
    following = links.get("next") if isinstance(links, dict) else None
    if not isinstance(following, str) or not following:
        return None
    here, there = client.build_request("GET", url).url, client.build_request("GET", url).url.join(following)
    return str(there) if (here.scheme, here.netloc) == (there.scheme, there.netloc) and here != there else None


def _writes_text(entry: dict[str, Any]) -> bool:
    architecture = entry.get("architecture")
    written = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    return "text" in written if isinstance(written, list) and written else True


def _listed(entry: dict[str, Any], provider: str) -> ListedModel:
    own = entry.get("pricing")
    pricing: dict[str, Any] = own if isinstance(own, dict) else {}
    context = _number(entry.get("context_length") or entry.get("max_model_len"))  # OpenRouter's word, and vLLM's
    return {
        "name": name_of(provider, entry["id"].strip()),
        "provider": provider,
        "input_usd_per_mtok": _per_million(pricing.get("prompt")),
        "output_usd_per_mtok": _per_million(pricing.get("completion")),
        "usd_per_call": _number(pricing.get("request")) or 0.0,
        "context_tokens": int(context) if context else None,
        "source": provider,
    }


def name_of(provider: str, model: str) -> str:
    """Return how a user names a provider's model; OpenRouter's `vendor/model` needs no provider in front."""
    plain = provider == "openrouter" and "/" in model.partition(":")[0]
    return model if plain else f"{provider}:{model}"


def _per_million(per_token: Any) -> float | None:
    """Return USD per million of USD per token. OpenRouter writes numbers as text, and -1 where the price varies."""
    price = _number(per_token)
    return None if price is None else round(price * _PER_MILLION, 6)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
