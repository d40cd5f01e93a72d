"""What a run would cost, before it is paid: tokens of this user's past calls, else usual ones, times prices.

Pure: the caller brings the settings, the history (`spending.call_sizes`) and a price function
(`models.listing.make_estimate_price`). The approval prompt, the command line and the web page show the same figures.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil
from statistics import median_high, quantiles
from typing import NamedTuple, TypeAlias

from typing_extensions import TypedDict

from fusion_graph.schemas import Role, is_demo
from fusion_graph.seats import Seat
from fusion_graph.settings import FusionSettings

EstimatePrice: TypeAlias = Callable[[str, int, int], tuple[float | None, str | None]]

MIN_HISTORY = 5  # calls (or seats) below which a median says little
HIGH = 90  # per cent of the past calls that were no larger than the high figure
BYTES_PER_TOKEN = 4  # of UTF-8: about right for English, and for scripts of three bytes a character


class CallSize(TypedDict):
    """The tokens of one past attempt."""

    run_id: str
    role: Role
    seat: int | None
    model: str
    input: int
    output: int


class Span(TypedDict):
    """From what is usual to what is likely not to be exceeded."""

    low: int
    high: int


class CostSpan(TypedDict):
    """The same in US dollars."""

    low: float
    high: float


class PartEstimate(TypedDict):
    """What one seat, or one of the other roles, would take. Tokens are those of one call.

    `tokens_from` says whose past calls they are; `cost_usd` is of all its calls, None where the model's price is unknown.
    """

    role: Role
    seat: int | None
    model: str
    calls: Span
    input_tokens: Span
    output_tokens: Span
    tokens_from: str
    cost_usd: CostSpan | None
    price_source: str | None


class Estimate(TypedDict):
    """What a run would cost. `cost_usd` is the sum of what is known, None if nothing is.

    It is a lower bound where `unknown_prices` names models. `max_cost_usd` is the budget set, 0 if there is none.
    """

    cost_usd: CostSpan | None
    is_lower_bound: bool
    unknown_prices: list[str]
    max_cost_usd: float
    parts: list[PartEstimate]


class _Usual(NamedTuple):
    """Tokens of one call of a role, usual and high; `per_seat` of them once for each seat whose answer it reads."""

    input: tuple[int, int]
    output: tuple[int, int]
    per_seat: tuple[int, int] = (0, 0)


# Where there is no history. A page gives a panelist up to 5,000 tokens (`tools.download.Limits.page_chars`), a search
# about 1,000; they stay in its context, so that later calls read them again. An answer has 1,000 tokens, of a
# thorough model 4,000; thinking models add as much again, which is paid as output.
_USUAL: dict[Role, _Usual] = {
    "decide": _Usual(input=(1_000, 4_000), output=(300, 1_500)),
    "panelist": _Usual(input=(4_000, 15_000), output=(700, 3_000)),
    "judge": _Usual(input=(1_500, 3_000), output=(1_500, 6_000), per_seat=(1_000, 4_000)),
    "writer": _Usual(input=(2_500, 8_000), output=(1_000, 5_000), per_seat=(1_000, 4_000)),
}
_USUAL_STEPS = 1  # of tools: one search is what most models make, and the limit is what the high figure allows for


class _Part(NamedTuple):
    role: Role
    seat: int | None
    model: str
    calls: Span


def estimate_run(
    settings: FusionSettings,
    history: Sequence[CallSize],
    price: EstimatePrice,
    *,
    question: str = "",
    seats: Collection[int] | None = None,
) -> Estimate:
    """Return what a run of complete `settings` (see `presets.resolve`) would cost.

    `seats` are the seats still to be asked (an approval of a fork asks fewer than there are); None: all.
    """
    asked = ceil(len(question.encode()) / BYTES_PER_TOKEN)
    parts = [_estimated(part, settings, history, price, asked) for part in _parts(settings, history, seats)]
    return _summed(parts, settings.max_cost_usd)


def without_role(estimate: Estimate, role: Role) -> Estimate:
    """Return the estimate of a run that makes no calls in this role."""
    return _summed([part for part in estimate["parts"] if part["role"] != role], estimate["max_cost_usd"])


def _summed(parts: list[PartEstimate], max_cost_usd: float) -> Estimate:
    known = [part["cost_usd"] for part in parts if part["cost_usd"]]
    unknown = dict.fromkeys(part["model"] for part in parts if part["cost_usd"] is None)
    low, high = sum(cost["low"] for cost in known), sum(cost["high"] for cost in known)
    return {
        "cost_usd": {"low": round(low, 8), "high": round(high, 8)} if known else None,
        "is_lower_bound": bool(unknown),
        "unknown_prices": list(unknown),
        "max_cost_usd": max_cost_usd,
        "parts": parts,
    }


def _parts(settings: FusionSettings, history: Sequence[CallSize], seats: Collection[int] | None) -> Iterable[_Part]:
    """Yield who would be called, and how often. In mode auto the writer may answer without asking anybody."""
    once, perhaps = Span(low=1, high=1), Span(low=0, high=1)
    if settings.mode == "never":
        yield _Part("writer", None, settings.writer, once)
        return
    is_auto = settings.mode == "auto"
    if is_auto:
        yield _Part("decide", None, settings.writer, once)
    for number, seat in enumerate(settings.seats, 1):
        if seats is None or number in seats:
            calls = _seat_calls(seat, settings, history)
            yield _Part("panelist", number, seat.model, Span(low=0, high=calls["high"]) if is_auto else calls)
    # An unsound analysis is asked for once more.
    yield _Part("judge", None, settings.judge, Span(low=0 if is_auto else 1, high=2))
    yield _Part("writer", None, settings.writer, perhaps if is_auto else once)


def _seat_calls(seat: Seat, settings: FusionSettings, history: Sequence[CallSize]) -> Span:
    """Return how many calls a seat makes: one for each step of tools, and one to answer."""
    if not (settings.tools if seat.tools is None else seat.tools):
        return Span(low=1, high=1)
    most = (seat.max_tool_calls or settings.max_tool_calls) + 1
    calls, _ = _past(history, "panelist", seat.model)
    counts = Counter((call["run_id"], call["seat"]) for call in calls).values()
    usual = median_high(counts) if len(counts) >= MIN_HISTORY else _USUAL_STEPS + 1
    return Span(low=min(usual, most), high=most)


def _estimated(
    part: _Part, settings: FusionSettings, history: Sequence[CallSize], price: EstimatePrice, question: int
) -> PartEstimate:
    calls, whose = _past(history, part.role, part.model)
    inputs, outputs = _spans(calls) if calls else _usual(part.role, len(settings.seats))
    most = settings.max_completion_tokens
    inputs = Span(low=inputs["low"] + question, high=inputs["high"] + question)
    outputs = Span(low=min(outputs["low"], most), high=min(outputs["high"], most))
    low, source = price(part.model, inputs["low"], outputs["low"])
    high, _ = price(part.model, inputs["high"], outputs["high"])
    is_known = low is not None and high is not None
    return {
        **part._asdict(),  # type: ignore[typeddict-item]  # the four fields of a _Part
        "input_tokens": inputs,
        "output_tokens": outputs,
        "tokens_from": whose,
        "cost_usd": CostSpan(low=low * part.calls["low"], high=high * part.calls["high"]) if is_known else None,
        "price_source": source if is_known else None,
    }


def _past(history: Sequence[CallSize], role: Role, model: str) -> tuple[list[CallSize], str]:
    """Return past calls of this model in this role, else of any in it, if they are enough; and whose they are.

    The demo's models and language models say nothing of each other.
    """
    of_role = [call for call in history if call["role"] == role and is_demo(call["model"]) == is_demo(model)]
    of_model = [call for call in of_role if call["model"] == model]
    for calls, whose in ((of_model, "of this model"), (of_role, "in this role")):
        if len(calls) >= MIN_HISTORY:
            return calls, f"{len(calls)} past calls {whose}"
    return [], "usual sizes"


def _spans(calls: Sequence[CallSize]) -> tuple[Span, Span]:
    return _span([call["input"] for call in calls]), _span([call["output"] for call in calls])


def _span(values: Sequence[int]) -> Span:
    high = quantiles(values, n=100, method="inclusive")[HIGH - 1]
    return Span(low=median_high(values), high=max(ceil(high), median_high(values)))


def _usual(role: Role, seats: int) -> tuple[Span, Span]:
    usual = _USUAL[role]
    low, high = (own + seats * more for own, more in zip(usual.input, usual.per_seat, strict=True))
    return Span(low=low, high=high), Span(low=usual.output[0], high=usual.output[1])


def render_estimate(estimate: Estimate) -> str:
    """Return the sum in a few words: `about $0.40-0.90`, `at least $0.40-0.90`, `no cost`, or `cost unknown`."""
    cost = estimate["cost_usd"]
    if cost is None or (estimate["is_lower_bound"] and not cost["high"]):
        return "cost unknown"
    if not cost["high"]:
        return "no cost"
    return f"{'at least' if estimate['is_lower_bound'] else 'about'} ${render_cost(cost)}"


def render_again(
    estimate: Estimate, *, before: Collection[tuple[Role, int | None]], answers: int, has_analysis: bool
) -> str:
    """Return who is paid by a run that starts from the answers of another, what is not paid again, and the sum.

    `before` are the roles, with their seats, that were paid already; `answers` and the analysis are taken over.
    """
    said = [_told(part, again=(part["role"], part["seat"]) in before) for part in estimate["parts"]]
    doing = " and ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)
    kept = [f"{answers} {'answer' if answers == 1 else 'answers'}"] if answers else []
    kept += ["the comparison"] if has_analysis else []
    is_one = answers <= 1 and len(kept) == 1
    saved = f"; {' and '.join(kept)} {'is' if is_one else 'are'} not paid again" if kept else ""
    return f"{doing}{saved} · {render_estimate(estimate)}"


def _told(part: PartEstimate, *, again: bool) -> str:
    verb = {"judge": "compares", "writer": "writes"}.get(part["role"], "is asked")
    who = f"seat {part['seat']} ({part['model']})" if part["seat"] else f"{part['role']} {part['model']}"
    return f"{who} {verb}{' again' if again else ''}"


def render_cost(cost: CostSpan) -> str:
    """Return a range of US dollars with cents, small amounts with more digits, and one figure where both are the same."""
    digits = 2 if cost["high"] >= 0.1 or not cost["high"] else 4  # noqa: PLR2004  (cents stop telling below)
    low, high = (f"{cost[end]:.{digits}f}" for end in ("low", "high"))
    return low if low == high else f"{low}-{high}"
