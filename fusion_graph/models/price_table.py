"""What genai-prices' bundled table knows of the models of a provider. No network."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fusion_graph.models.names import split_name
from fusion_graph.models.prices import estimate_price, seller_of
from fusion_graph.models.server_lists import ListedModel, name_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo

_BATCH = ":batch"


def models_in_table(provider: str) -> list[ListedModel]:
    """Return the models of a provider, less those that are withdrawn or write no text. Its first use takes a second."""
    seller = seller_of(provider)
    if seller is None:
        return []
    from genai_prices.data_snapshot import find_provider_by_id, get_snapshot  # noqa: PLC0415  (heavy)

    found = find_provider_by_id(get_snapshot().providers, seller)
    rows = [_row(provider, info) for info in (found.models if found else ())]
    return [row for row in rows if row]


def _row(provider: str, info: "ModelInfo") -> ListedModel | None:
    prices = info.get_prices(datetime.now(UTC))
    asked, written = _usd(prices.input_mtok), _usd(prices.output_mtok)
    if info.deprecated or info.id.endswith(_BATCH) or (asked is not None and written is None):
        return None  # not to be asked: it is withdrawn, of another API, or has a price for input only, as embeddings do
    return {
        "name": name_of(provider, info.id),
        "provider": provider,
        "input_usd_per_mtok": asked,
        "output_usd_per_mtok": written,
        "usd_per_call": (_usd(prices.requests_kcount) or 0.0) / 1000,
        "context_tokens": info.context_window,
        "source": "genai-prices",
    }


def _usd(price: Any) -> float | None:
    """Return a price, of tiered ones the one for a short context; the table's 0 is no price, see `prices`."""
    base = getattr(price, "base", price)
    return float(base) or None if base is not None else None


def with_table_prices(rows: list[ListedModel], table: list[ListedModel]) -> list[ListedModel]:
    """Return a server's rows, with what only the table knows of them: OpenAI's own list holds no prices."""
    known = {row["name"]: row for row in table}
    return [_filled(row, known.get(row["name"])) for row in rows]


def _filled(row: ListedModel, known: ListedModel | None) -> ListedModel:
    if known is None or row["output_usd_per_mtok"] is not None:
        return row
    return {**known, "context_tokens": row["context_tokens"] or known["context_tokens"]}


def row_of(name: str, source: str) -> ListedModel:
    """Return the row of a model that is on no list: the table may know its price by another name."""
    provider, _ = split_name(name)
    free = 0.0 if provider == "demo" else None
    prices = [estimate_price(name, *tokens)[0] for tokens in ((1000, 0), (0, 1000))]  # short of any dearer tier
    asked, written = (free if price is None else round(price * 1000, 6) for price in prices)
    return {
        "name": name,
        "provider": provider,
        "input_usd_per_mtok": asked,
        "output_usd_per_mtok": written,
        "usd_per_call": 0.0,
        "context_tokens": None,
        "source": source,
    }
