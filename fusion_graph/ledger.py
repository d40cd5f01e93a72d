"""What calls of models come to together: tokens, the known part of the cost, and whether that is all of it."""

from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import TypedDict

_Calls = Iterable[Mapping[str, Any]]  # CallEntry, or the same read back from JSON
_CENTS_TELL = 0.1  # dollars; below it cents no longer tell two costs apart


class Spent(TypedDict):
    """What calls came to. `cost_usd` is the known part in US dollars, None if nothing is known; no calls cost nothing."""

    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: float | None
    cost_is_lower_bound: bool


def spent(calls: _Calls) -> Spent:
    """Add calls up."""
    entries = list(calls)
    counted = [call["tokens"] for call in entries if call["tokens"]]
    known = [call["cost_usd"] for call in entries if call["cost_usd"] is not None]
    return {
        "calls": len(entries),
        "input_tokens": sum(tokens["input"] for tokens in counted),
        "cached_tokens": sum(tokens["cached"] for tokens in counted),
        "output_tokens": sum(tokens["output"] for tokens in counted),
        "reasoning_tokens": sum(tokens["reasoning"] for tokens in counted),
        "cost_usd": round(sum(known), 8) if known or not entries else None,
        "cost_is_lower_bound": len(known) < len(entries),
    }


def own_calls(calls: _Calls, run_id: str) -> list[Mapping[str, Any]]:
    """Return the calls that a run paid for, without those a fork has from the run it came from."""
    return [call for call in calls if call["run_id"] in {"", run_id}]  # "": outside a stored run


def dollars(usd: float) -> str:
    """Return an amount with as many digits as tell: `$0.41`, `$0.0312`."""
    return f"${usd:.2f}" if usd >= _CENTS_TELL or not usd else f"${usd:.4f}"
