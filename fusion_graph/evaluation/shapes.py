"""What the parts of an evaluation hand to one another: tasks, verdicts, answers, and the figures of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypeAlias

from typing_extensions import TypedDict

# True: MET, False: UNMET, None: no verdict, which is neither.
Verdicts: TypeAlias = Mapping[str, bool | None]
Kind: TypeAlias = Literal["fusion", "solo", "best_of", "endpoint"]
# How a task ended for a target. `refused`: the model declined; `failed`: an error; `unverified`: answered, yet it cites
# pages that no tool of its run saw.
Ending: TypeAlias = Literal["answered", "unverified", "refused", "failed", "timed_out"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a rubric. A negative weight is for what must not be said: MET means that it was said."""

    id: str
    axis: str  # the id of the outermost section it stands in
    weight: float
    requirement: str = field(repr=False)  # what graders look for must not get into a log


@dataclass(frozen=True, slots=True)
class Task:
    """One question with its rubric; without criteria it is compared in pairs."""

    id: str
    domain: str
    problem: str
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Tasks, and where they are from. `sha256` is that of the file as it was read."""

    name: str
    tasks: tuple[Task, ...]
    source: str
    revision: str
    sha256: str

    @property
    def has_rubrics(self) -> bool:
        """Whether answers are graded; else they are compared in pairs."""
        return any(task.criteria for task in self.tasks)


class Member(TypedDict):
    """What one seat of a panel answered, as it would have answered alone. `text` is "" where it failed."""

    seat: int
    model: str
    text: str
    ending: Ending
    cost_usd: float | None
    cost_is_lower_bound: bool


class Costs(TypedDict):
    """What calls came to. `cost_usd` is None where no price is known; `tokens` are input, cached, output, reasoning."""

    cost_usd: float | None
    cost_is_lower_bound: bool
    cost_by_role: dict[str, float | None]
    tokens: dict[str, int]


class Generation(Costs):
    """What a target made of a task: JSON-plain, kept by the hash of all that it depends on.

    `text` and the members' texts are what a grader reads: the answer with a numbered list of the pages it cites below it.
    `seconds` is wall time; calls that a killed process left and that were made again are not in the costs.
    """

    key: str
    target: str
    task: str
    run_id: str
    ending: Ending
    text: str
    reasons: list[str]
    members: list[Member]
    seconds: float | None
    leaks: list[str]  # in words: which result of which tool held what a rubric or its publisher says


class Estimate(TypedDict):
    """A mean over tasks with its 95 % interval (None with fewer than two tasks, or none)."""

    n: int
    mean: float | None
    low: float | None
    high: float | None


class Share(TypedDict):
    """`hits` of `n`, with the 95 % Wilson interval of the share (None where n is 0)."""

    n: int
    hits: int
    share: float | None
    low: float | None
    high: float | None


class Published(TypedDict):
    """What was published of a configuration: a reference, never a measurement of ours."""

    score: float
    tasks: int
    source: str


class TargetFigures(TypedDict):
    """What one target came to. Scores are 0 to 100."""

    name: str
    kind: Kind
    models: list[str]  # who answers, then who judges and writes
    published: Published | None
    own: Estimate  # over the tasks it completed
    zero_filled: Estimate  # tasks without an answer count as 0
    common: Estimate  # over the tasks that every target completed
    clean: Estimate  # own, without contaminated tasks
    pass_rate: Estimate  # 0 to 100
    judge_noise: float | None  # standard deviation of one task's score between gradings, in points
    coverage: float | None  # share of verdicts that could be had, 0 to 1
    axes: dict[str, Estimate]
    domains: dict[str, Estimate]
    endings: dict[str, int]  # Ending -> tasks
    unscored: int  # tasks with an answer and no score: too few verdicts
    contaminated: int
    cost_usd: float | None  # of one task, mean
    cost_is_lower_bound: bool
    cost_by_role: dict[str, float | None]  # of one task, mean; `grader` is what its grading took
    seconds: float | None  # of one task, median
    seconds_high: float | None  # of one task, 90th percentile


class Comparison(TypedDict):
    """One target against another on their common tasks: `difference` is a minus b, in points."""

    a: str
    b: str
    difference: Estimate
    p: float | None  # permutation test, two-sided
    p_holm: float | None  # adjusted for all comparisons of the report
    wins: int
    ties: int
    losses: int


class PairFigures(TypedDict):
    """One target against another by pairwise verdicts, each of them given in both orders."""

    a: str
    b: str
    n: int
    wins: int  # of a, in both orders
    ties: int  # said so, or the two orders disagree
    losses: int
    undecided: int  # no verdict in one of the orders
    p: float | None  # sign test over wins and losses
    p_holm: float | None
    same_in_both_orders: Share


class MemberFigures(TypedDict):
    """What became of its members' findings in one fused target."""

    target: str
    members: list[TargetFigures]  # each seat graded as if it had answered alone; name is `seat 2: model`
    keep1: Share  # positive criteria that one member alone met: still met by the fusion
    keep2: Share  # that two or more met
    gain0: Share  # that none met, yet the fusion does
    caught: Share  # negative criteria that one member alone met: no longer met by the fusion
    caught_shared: Share  # that two or more met
    invented: Share  # negative criteria that no member met, yet the fusion does
    correlation: float | None  # mean phi of two members over positive criteria
    union: Estimate  # score of an oracle that says all that any member got right, and nothing that is wrong
    intersection: Estimate  # score of what all members said


class TaskRow(TypedDict):
    """One task of the appendix: each target's score (None: unscored) and how it ended."""

    task: str
    domain: str
    scores: dict[str, float | None]
    endings: dict[str, Ending]
    leaks: dict[str, list[str]]


class Results(TypedDict):
    """All figures of an evaluation: what `results.json` holds, and all that a report is made of."""

    name: str
    dataset: dict[str, Any]  # name, source, revision, sha256, tasks, domains {domain: n}, sampled {n, seed} | None
    protocol: dict[str, Any]  # name, sha256, model, gradings, temperature, reasoning
    is_simulated: bool  # scripted models: the figures say nothing about language models
    targets: list[TargetFigures]
    comparisons: list[Comparison]
    pairs: list[PairFigures]
    members: list[MemberFigures]
    tasks: list[TaskRow]
    spent: dict[str, Any]  # cost_usd, cost_is_lower_bound, by_role {role: usd | None}, calls
    manifest: dict[str, Any]  # versions, prompts' hashes, configuration, settings of every target, seed
    unfinished: NotRequired[list[str]]  # in words: what is missing, and how to go on


Gradings: TypeAlias = Sequence[Verdicts]
