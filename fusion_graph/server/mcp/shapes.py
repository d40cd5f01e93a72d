"""The structured content of the tools' results. Names and descriptions are the wire's: models read them."""

from pydantic import BaseModel, Field

from fusion_graph.schemas import RunState


class Stance(BaseModel):
    """What one model holds."""

    model: str
    stance: str


class Disagreement(BaseModel):
    """A subject on which answers exclude one another."""

    topic: str
    stances: list[Stance]


class Point(BaseModel):
    """What some models say and others do not."""

    models: list[str]
    point: str


class SourcePage(BaseModel):
    """A page; the answer cites it as [number]."""

    number: int
    url: str
    title: str
    read: bool = Field(description="false: only found in a list, not opened")


class SeatAnswer(BaseModel):
    """What one seat of the panel answered."""

    seat: int
    model: str
    answer: str
    partial: bool = Field(description="true: it was cut")


class SeatFailure(BaseModel):
    """Why a seat has no whole answer."""

    seat: int
    model: str
    error: str


class Outcome(BaseModel):
    """A run, as far as it has come. What `detail` does not ask for is empty."""

    run_id: str
    status: RunState = Field(description="ok and degraded have an answer; of a running one, ask fusion_result again")
    next: str = Field(description="What to do next; empty: nothing")
    reasons: list[str] = Field(description="How it came short")
    answer: str = Field(description="It cites sources as [n]")
    answer_chars: int = Field(description="Of the whole answer, which may be longer than what is here")
    disagreements: list[Disagreement]
    disagreements_found: int = Field(description="Also those that are not listed here")
    agreements: list[str]
    said_by_some: list[Point]
    blind_spots: list[str] = Field(description="What no answer covers")
    responses: list[SeatAnswer]
    failed: list[SeatFailure]
    sources: list[SourcePage]
    sources_found: int = Field(description="Also those that are not listed here")
    doubts: list[str] = Field(description="Citations that do not hold")
    seats: int
    seats_answered: int
    cost_usd: float | None = Field(description="US dollars paid so far; null: unknown")
    cost_is_lower_bound: bool = Field(description="true: the price of some calls is unknown")
    demo: bool = Field(description="true: the offline demo, no language model")
    resource: str = Field(description="Where all of it can be read")


class Cancelled(BaseModel):
    """What became of a run that was to be stopped."""

    run_id: str
    status: RunState
    next: str = Field(description="What to do next; empty: nothing")


class Price(BaseModel):
    """What a run would cost, and who would take part."""

    low_usd: float | None = Field(description="US dollars, the usual case; null: unknown")
    high_usd: float | None = Field(description="US dollars, likely not to be exceeded; null: unknown")
    is_lower_bound: bool = Field(description="true: some prices are unknown, so it costs more")
    unknown_prices: list[str] = Field(description="Models without a known price")
    max_cost_usd: float = Field(description="The budget that is set; 0: none")
    preset: str
    panel: list[str]
    judge: str
    writer: str
    summary: str
