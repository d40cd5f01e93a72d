"""A deliberation as a client sends it back, read again: for a writer that goes on with a panel of another server's."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from fusion_graph.schemas import Analysis, CallError, Claim, Contradiction, SeatResult, Source
from fusion_graph.settings import MAX_SEATS
from fusion_graph.state import PanelState
from fusion_graph.urls import canonical_url, is_web, parse_url


class _Response(BaseModel):
    model: str
    content: str
    seat: int | None = None
    partial: bool = False


class _Failed(BaseModel):
    model: str
    error: str
    seat: int | None = None


class _Stance(BaseModel):
    model: str
    stance: str


class _Clash(BaseModel):
    topic: str
    stances: list[_Stance]


class _Partly(BaseModel):
    models: list[str]
    point: str


class _Insight(BaseModel):
    model: str
    insight: str


class _Analysis(BaseModel):
    consensus: list[str] = []
    contradictions: list[_Clash] = []
    partial_coverage: list[_Partly] = []
    unique_insights: list[_Insight] = []
    blind_spots: list[str] = []


class _Page(BaseModel):
    url: str
    title: str = ""


class _Echo(BaseModel):
    responses: list[_Response] = []
    failed_models: list[_Failed] = []
    analysis: _Analysis | None = None
    sources: list[_Page] = []


def panel_in(text: str) -> PanelState | None:
    """Return what a panel brought, read from the JSON of a deliberation; None if that is none, or nobody answered."""
    try:
        echo = _Echo.model_validate_json(text)
    except ValidationError:
        return None
    if not 0 < len(echo.responses) <= MAX_SEATS:
        return None
    sources = [_source(page) for page in echo.sources if is_web(parse_url(page.url))]
    results = _results(echo, [source["key"] for source in sources])
    analysis = _analysis(echo.analysis, results) if echo.analysis else None
    return PanelState(results=results, sources=sources, analysis=analysis, status=None)


def _results(echo: _Echo, keys: list[str]) -> list[SeatResult]:
    heard = {response.seat for response in echo.responses if response.seat is not None}
    silent = [failed for failed in echo.failed_models if failed.seat not in heard]
    found = [_result(n, each.model, each.content, keys) for n, each in enumerate(echo.responses, 1)]
    for result, response in zip(found, echo.responses, strict=True):
        result["partial"] = response.partial
    first = len(found) + 1
    return found + [
        _result(n, each.model, "", keys, {"kind": "error", "message": each.error})
        for n, each in enumerate(silent, first)
    ]


def _result(seat: int, model: str, content: str, keys: list[str], error: CallError | None = None) -> SeatResult:
    return {
        "seat": seat,
        "model": model,
        "name": "",
        "content": content,
        "partial": False,
        "error": error,
        "sources": keys,  # its text cites the run's numbers already
        "notes": [],
        "tool_calls_requested": 0,
        "tool_calls_executed": 0,
    }


def _source(page: _Page) -> Source:
    return {
        "key": canonical_url(page.url),
        "url": page.url,
        "title": page.title,
        "snippet": "",
        "published": "",
        "read": False,
        "text": "",
        "seats": [],
        "retrieved_at": "",
        "sha256": "",
    }


def _analysis(told: _Analysis, results: Sequence[SeatResult]) -> Analysis:
    """Return the comparison with seats where the wire has models; who agreed is not told there."""
    seats = {result["model"]: result["seat"] for result in reversed(results)}

    def claim(text: str, *models: str) -> Claim:
        return {"id": "", "text": text, "seats": [seats[model] for model in models if model in seats], "sources": []}

    def clash(told: _Clash) -> Contradiction:
        stances: list[Any] = [
            {"seat": seats[side.model], "text": side.stance, "sources": []}
            for side in told.stances
            if side.model in seats
        ]
        return {"id": "", "topic": told.topic, "stances": stances, "better": None}

    return {
        "consensus": [claim(text) for text in told.consensus],
        "contradictions": [clash(each) for each in told.contradictions],
        "partial_coverage": [claim(each.point, *each.models) for each in told.partial_coverage],
        "unique_insights": [claim(each.insight, each.model) for each in told.unique_insights],
        "blind_spots": told.blind_spots,
        "strongest": None,
    }
