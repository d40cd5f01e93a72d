"""What an answer cost: the provider's own figure, else genai-prices from its bundled table, else unknown.

Unknown is None, never 0. The table is never updated over the network. Its first use takes half a second.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fusion_graph.models.names import ModelName, split_name
from fusion_graph.models.providers import SERVERS

if TYPE_CHECKING:  # heavy
    from genai_prices import Usage
    from langchain_core.messages import AIMessage
    from langchain_core.messages.ai import UsageMetadata

Price = tuple[float | None, str | None]
UNKNOWN: Price = (None, None)

# Providers by their name in the table. One that is not here may sell a model of a known name at a price of its own.
_SELLERS = {
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google_genai": "google",
    "google_vertexai": "google",
    "groq": "groq",
    "mistralai": "mistral",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "xai": "x-ai",
}

# Anthropic tells its cache writes apart by how long they are kept, and then leaves the first of these at 0.
_CACHE_WRITES = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def price(name: str, message: "AIMessage") -> Price:
    """Return what `message`, an answer of the model `name`, cost in USD, and who says so; (None, None) if unknown."""
    cost = message.response_metadata.get("cost")
    if isinstance(cost, int | float):
        return float(cost), "provider"
    if message.usage_metadata is None:
        return UNKNOWN
    usage = _usage(message.usage_metadata)
    asked = split_name(name)
    found = _from_table(asked, usage)
    served = message.response_metadata.get("model_name")
    if found == UNKNOWN and served:  # the name may be a router's, which says which model answered
        return _from_table(ModelName(asked.provider, str(served)), usage)
    return found


def estimate_price(name: str, input_tokens: int, output_tokens: int) -> Price:
    """Return what a call of this size would cost in USD, nothing being cached, and who says so."""
    from genai_prices import Usage  # noqa: PLC0415  (heavy)

    return _from_table(split_name(name), Usage(input_tokens=input_tokens, output_tokens=output_tokens))


def _usage(counted: "UsageMetadata") -> "Usage":
    from genai_prices import Usage  # noqa: PLC0415  (heavy)

    details: Mapping[str, Any] = counted.get("input_token_details") or {}
    return Usage(
        input_tokens=counted["input_tokens"],
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=sum(details.get(key) or 0 for key in _CACHE_WRITES),
        output_tokens=counted["output_tokens"],
    )


def _from_table(name: ModelName, usage: "Usage") -> Price:
    """Look a price up. A sum of 0 is no price: a `:free` model is free only if its provider says so."""
    from genai_prices import calc_price  # noqa: PLC0415  (heavy)

    seller = seller_of(name.provider)
    if seller is None:
        return UNKNOWN
    try:
        found = calc_price(usage, name.model, provider_id=seller)
    except (LookupError, ValueError):  # no such model, or more cached tokens than tokens
        return UNKNOWN
    updated = f" ({found.auto_update_timestamp:%Y-%m-%d})" if found.auto_update_timestamp else ""
    return (float(found.total_price), _version() + updated) if found.total_price else UNKNOWN


def seller_of(provider: str) -> str | None:
    """Return who sells a provider's models by the table's name: nobody, if they come from a custom server."""
    server = SERVERS.get(provider)
    return _SELLERS.get(provider) if server is None or server.is_official(os.environ) else None


@cache
def _version() -> str:
    from genai_prices import __version__  # noqa: PLC0415  (heavy)

    return f"genai-prices {__version__}"
