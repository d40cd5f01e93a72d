"""What a run would cost, as the tools tell it."""

from fusion_graph.estimate import Estimate, render_estimate
from fusion_graph.server.mcp.shapes import Price
from fusion_graph.settings import FusionSettings


def price_of(found: Estimate, settings: FusionSettings) -> Price:
    """Return an estimate with the roster it is for."""
    cost = found["cost_usd"]
    return Price(
        low_usd=cost["low"] if cost else None,
        high_usd=cost["high"] if cost else None,
        is_lower_bound=found["is_lower_bound"],
        unknown_prices=found["unknown_prices"],
        max_cost_usd=found["max_cost_usd"],
        preset=settings.preset,
        panel=[seat.model for seat in settings.seats],
        judge=settings.judge,
        writer=settings.writer,
        summary=render_estimate(found),
    )


def render_price(price: Price) -> str:
    """Return it in a sentence or two."""
    roster = f"{len(price.panel)} seats ({', '.join(price.panel)}), judge {price.judge}, writer {price.writer}"
    unknown = f" No price is known for {', '.join(price.unknown_prices)}." if price.unknown_prices else ""
    return f"{price.summary}: {roster}.{unknown}"
