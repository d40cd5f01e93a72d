"""Plain text for the terminal: aligned columns, figures to the right, 80 columns wide where names are not long."""

from collections.abc import Collection, Sequence
from textwrap import wrap
from typing import Literal

from fusion_graph.checks import Item
from fusion_graph.estimate import Estimate, PartEstimate, render_cost, render_estimate
from fusion_graph.models.server_lists import ListedModel
from fusion_graph.spending import Dimension, Spending
from fusion_graph.terminal import aligned, clean, money

NAME_WIDTH = 42  # a longer name shifts its own row only: what is cut cannot be copied
_ENDS: tuple[Literal["low", "high"], ...] = ("low", "high")
_SIDES: tuple[Literal["input_tokens", "output_tokens"], ...] = ("input_tokens", "output_tokens")


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], *, figures: Collection[int] = ()) -> str:
    """Return rows under a header; the columns numbered in `figures` are aligned to the right."""
    cells = [tuple(map(clean, row)) for row in (header, *rows)]
    return "\n".join(aligned(cells, right=frozenset(figures), widest=NAME_WIDTH))


def models_table(models: Sequence[ListedModel]) -> str:
    """Return models with their prices per million tokens and their context."""
    rows = [
        (
            model["name"],
            *(_price(model[side]) for side in ("input_usd_per_mtok", "output_usd_per_mtok")),
            _context(model),
        )
        for model in models
    ]
    return columns(("MODEL", "IN $/M", "OUT $/M", "CONTEXT"), rows, figures={1, 2, 3})


def _price(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"{usd:.2f}" if round(usd, 2) == usd else f"{usd:.4f}".rstrip("0")


def _context(model: ListedModel) -> str:
    tokens = model["context_tokens"]
    return "unknown" if tokens is None else f"{tokens:,}"


def estimate_table(estimate: Estimate) -> str:
    """Return who would be called, how often, with how many tokens, at what cost; the sum; and what it rests on."""
    rows = [_part_row(part) for part in estimate["parts"]]
    table = columns(("ROLE", "MODEL", "CALLS", "IN", "OUT", "COST $"), rows, figures={2, 3, 4, 5})
    return clean("\n".join([table, "", *_sum(estimate), *_grounds(estimate)]))


def _part_row(part: PartEstimate) -> tuple[str, ...]:
    calls = _ranged(*(str(part["calls"][end]) for end in _ENDS))
    tokens = [_ranged(*(_short(part[side][end] * part["calls"][end]) for end in _ENDS)) for side in _SIDES]
    cost = render_cost(part["cost_usd"]) if part["cost_usd"] else "unknown"
    return _who(part), part["model"], calls, *tokens, cost


def _who(part: PartEstimate) -> str:
    return part["role"] if part["seat"] is None else f"seat {part['seat']}"


def _ranged(low: str, high: str) -> str:
    return low if low == high else f"{low}-{high}"


def _short(tokens: int) -> str:
    if tokens < 1000:  # noqa: PLR2004
        return str(tokens)
    return f"{tokens / 1000:.1f}k" if tokens < 10_000 else f"{tokens / 1000:.0f}k"  # noqa: PLR2004


def _sum(estimate: Estimate) -> list[str]:
    unknown, most = estimate["unknown_prices"], estimate["max_cost_usd"]
    lines = [render_estimate(estimate), *(f"no price known for {name}" for name in unknown)]
    lines += ["hint: fusion models --refresh fetches new prices"] if unknown else []
    return lines + ([f"budget {money(most)}: seats stop researching when their share is spent"] if most else [])


def _grounds(estimate: Estimate) -> list[str]:
    """Return where tokens and prices come from, each source once, with whom it is for."""
    parts = estimate["parts"]
    tokens: dict[str, list[str]] = {}
    for part in parts:
        tokens.setdefault(part["tokens_from"], []).append(_who(part))
    prices = sorted({part["price_source"] for part in parts if part["price_source"]})
    told = "; ".join(f"{source} ({', '.join(whom)})" if len(tokens) > 1 else source for source, whom in tokens.items())
    return [f"tokens: {told}", *([f"prices: {', '.join(prices)}"] if prices else [])]


def usage_table(by: Sequence[Dimension], rows: Sequence[Spending], total: Spending) -> str:
    """Return what was spent, a line for each group, and the sum."""
    header = (*(name.upper() for name in by), "CALLS", "IN", "OUT", "COST")
    lines = [(*(str(row[name]) for name in by), *_spent(row)) for row in rows]
    lines.append(("total", *("" for _ in by[1:]), *_spent(total)))
    return columns(header, lines, figures=range(len(by), len(header)))


def _spent(row: Spending) -> tuple[str, str, str, str]:
    cost = money(row["cost_usd"], lower_bound=bool(row["unpriced"])).removeprefix("cost ")
    return f"{row['calls']:,}", _short(row["input_tokens"]), _short(row["output_tokens"]), cost


def checks_table(items: Sequence[Item], width: int | None = None) -> str:
    """Return one line an item, with the remedy under it; a long one goes on below within `width` columns."""
    names = max(len(item["name"]) for item in items)
    lines: list[str] = []
    for item in items:
        lines += _wrapped(f"{item['level']:<4}  {item['name']:<{names}}  ", clean(item["found"]), width)
        lines += _wrapped(" " * (names + 8) + "hint: ", clean(item["remedy"]), width) if item["remedy"] else []
    return "\n".join(lines)


def _wrapped(start: str, text: str, width: int | None) -> list[str]:
    if width is None:
        return [start + text]
    return wrap(
        text,
        max(width, len(start) + 20),
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
