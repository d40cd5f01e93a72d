"""The analysis made of a report: seats for labels, ids for claims, and every claim where its seats put it.

An unknown label is dropped, and so is a source that none of a claim's seats has found; a point of "consensus" that fewer
than two seats make moves to where it belongs, and so does a contradiction without two sides; a claim that is made twice
is one claim. Where two seats of one model agree, the claim says so: that is one voice twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeAlias

from fusion_graph.report.forms import JudgeReport, ReportContradiction, ReportStrongest
from fusion_graph.schemas import Analysis, Claim, Contradiction, Stance, Strongest

Place: TypeAlias = Literal["consensus", "partial_coverage", "unique_insights"]


@dataclass(slots=True)
class _Point:
    """A claim as the judge made it: where it was put first, and all seats and sources it was given."""

    text: str
    wanted: Place
    seats: set[int] = field(default_factory=set)
    sources: set[int] = field(default_factory=set)

    @property
    def place(self) -> Place:
        """Where its seats put it: one seat alone agrees with nobody, and two are not unique."""
        if len(self.seats) == 1:
            return "unique_insights" if self.wanted == "consensus" else self.wanted
        return "partial_coverage" if self.wanted == "unique_insights" else self.wanted


SAME_MODEL = "same model twice"


@dataclass(frozen=True, slots=True)
class Author:
    """Who stands behind a letter: the seat, the model that answered, and the run's numbers of the sources it found."""

    seat: int
    model: str
    sources: frozenset[int] = frozenset()


def analysis_of(report: JudgeReport, authors: Mapping[str, Author]) -> Analysis:
    """Return the analysis; `authors` are those of the answers, by letter."""
    return _Sorter(authors).analysis(report)


class _Sorter:
    """Collect the claims of one report, then put each in its place."""

    def __init__(self, authors: Mapping[str, Author]) -> None:
        self._labels = {letter: author.seat for letter, author in authors.items()}
        self._authors = {author.seat: author for author in authors.values()}
        self._points: dict[str, _Point] = {}
        self._ids = (f"c{number}" for number in count(1))

    def analysis(self, report: JudgeReport) -> Analysis:
        for point in report.consensus:
            self._note(point.point, point.answers, point.sources, "consensus")
        sides = [(clash, self._stances(clash)) for clash in report.contradictions]
        for point in report.partial_coverage:
            self._note(point.point, point.answers, point.sources, "partial_coverage")
        for insight in report.unique_insights:
            self._note(insight.insight, insight.answer.split(", "), insight.sources, "unique_insights")
        return {
            "consensus": list(self._claims("consensus")),
            "contradictions": [self._contradiction(clash, stances) for clash, stances in sides if stances],
            "partial_coverage": list(self._claims("partial_coverage")),
            "unique_insights": list(self._claims("unique_insights")),
            "blind_spots": list(dict.fromkeys(report.blind_spots)),
            "strongest": self._strongest(report.strongest),
        }

    def _note(self, text: str, letters: Sequence[str], sources: Sequence[int], wanted: Place) -> None:
        seats = self._seats(letters)
        if not seats or not text:
            return
        point = self._points.setdefault(_same(text), _Point(text, wanted))
        point.seats.update(seats)
        point.sources.update(self._known(sources, seats))

    def _claims(self, place: Place) -> Iterator[Claim]:
        for point in self._points.values():
            if point.place == place:
                claim: Claim = {
                    "id": next(self._ids),
                    "text": point.text,
                    "seats": sorted(point.seats),
                    "sources": sorted(point.sources),
                }
                if len(point.seats) > 1 and len({self._authors[seat].model for seat in point.seats}) == 1:
                    claim["note"] = SAME_MODEL
                yield claim

    def _stances(self, said: ReportContradiction) -> list[Stance]:
        """Return one stance for each seat; where there are no two that differ, none, and note the claims they are."""
        stances: dict[int, Stance] = {}
        for each in said.stances:
            for seat in self._seats(each.answer.split(", ")) if each.stance else []:
                stance: Stance = {"seat": seat, "text": each.stance, "sources": self._known(each.sources, [seat])}
                stances.setdefault(seat, stance)
        if len({_same(stance["text"]) for stance in stances.values()}) > 1:
            return list(stances.values())
        for each in said.stances:
            text = f"{said.topic}: {each.stance}" if said.topic and each.stance else each.stance
            self._note(text, each.answer.split(", "), each.sources, "consensus")
        return []

    def _contradiction(self, said: ReportContradiction, stances: list[Stance]) -> Contradiction:
        seat = self._labels.get(said.better_supported)
        better = seat if any(stance["seat"] == seat for stance in stances) else None
        return {"id": next(self._ids), "topic": said.topic, "stances": stances, "better": better}

    def _strongest(self, said: ReportStrongest) -> Strongest | None:
        seat = self._labels.get(said.answer)
        if seat is None or (not self._authors[seat].sources and any(a.sources for a in self._authors.values())):
            return None  # an answer that nothing supports is not strong, whatever it says of itself
        return {"seat": seat, "why": said.why, "missing_or_wrong": said.missing_or_wrong}

    def _seats(self, letters: Sequence[str]) -> list[int]:
        return sorted({self._labels[letter] for letter in letters if letter in self._labels})

    def _known(self, numbers: Sequence[int], seats: Sequence[int]) -> list[int]:
        found = {number for seat in seats for number in self._authors[seat].sources}
        return sorted(found & set(numbers))


def _same(text: str) -> str:
    """Return what is equal for two texts that differ in case, white space or the stop at the end only."""
    return " ".join(text.casefold().split()).rstrip(" .;!")
