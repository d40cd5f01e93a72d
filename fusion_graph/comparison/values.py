"""What a comparison says. All of it is JSON-plain."""

from typing import Any, Literal, TypeAlias, get_args

from typing_extensions import TypedDict

from fusion_graph.ledger import Spent

Kind: TypeAlias = Literal["same", "changed", "only_a", "only_b"]
AnalysisPart: TypeAlias = Literal["consensus", "contradictions", "partial_coverage", "unique_insights", "blind_spots"]
ANALYSIS_PARTS: tuple[AnalysisPart, ...] = get_args(AnalysisPart)


class Part(TypedDict):
    """A sentence of one answer, or of both."""

    kind: Kind
    a: str | None
    b: str | None


class Point(TypedDict):
    """A point of one analysis, or of both, as the result objects have it: a text, or an object."""

    kind: Kind
    a: Any
    b: Any


class RunHead(TypedDict):
    """One run. `parent_id` and `question` are None where the result object was not given them."""

    run_id: str
    parent_id: str | None
    question: str | None
    status: str
    finished: bool
    reasons: list[str]
    failure_reason: str | None
    judge_failure: str | None
    panel: list[str]
    judge: str
    writer: str
    demo: bool


class SettingDifference(TypedDict):
    """A setting with two values. A seat is a setting: `panel.4` is the fourth, None where there is none."""

    name: str
    a: Any
    b: Any


class AnalysisComparison(TypedDict):
    """The points of the analyses; one that is absent has none."""

    consensus: list[Point]
    contradictions: list[Point]
    partial_coverage: list[Point]
    unique_insights: list[Point]
    blind_spots: list[Point]


class SeatComparison(TypedDict):
    """A seat that answered in a run: its models. `changed` is another text or another model."""

    seat: int
    kind: Kind
    a: str | None
    b: str | None


class SourcesComparison(TypedDict):
    """How many sources both runs have, and those that one of them has, as its result object has them."""

    in_both: int
    only_a: list[dict[str, Any]]
    only_b: list[dict[str, Any]]


class RunCost(TypedDict):
    """What an answer cost, and what of it this run paid: a fork inherits the rest."""

    total: Spent
    paid_by_this_run: Spent


class CostsComparison(TypedDict):
    """What both runs cost. `difference_usd` is b less a, by the calls they do not share.

    It is None where it is unknown, and a lower bound where calls of b have no known price.
    """

    a: RunCost
    b: RunCost
    difference_usd: float | None
    difference_is_lower_bound: bool


class Comparison(TypedDict):
    """Two runs, a and b. `analysis` is None if neither has one."""

    a: RunHead
    b: RunHead
    settings: list[SettingDifference]
    answer: list[Part]
    analysis: AnalysisComparison | None
    responses: list[SeatComparison]
    sources: SourcesComparison
    costs: CostsComparison
