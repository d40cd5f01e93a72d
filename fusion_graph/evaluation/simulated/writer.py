"""The writer: exactly what the comparison lists, as far as the answers it names really say it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fusion_graph.evaluation.simulated.chances import Chances
from fusion_graph.evaluation.simulated.key import Known
from fusion_graph.evaluation.simulated.texts import composed, is_said

_CITED = r"(?P<cited>(?: \[\d+\])*)"
_CLAIM = re.compile(rf"- (?P<text>.+?){_CITED} \((?P<seats>answer \d+(?:, answer \d+)*)(?:: [^()]+)?\)")
_CLASH = re.compile(r"Contradiction on .+ \(better supported: answer (?P<seat>\d+)\):")
_STANCE = re.compile(rf"- answer (?P<seats>\d+): (?P<text>.+?){_CITED}")


@dataclass(frozen=True, slots=True)
class _Line:
    """A point as the comparison gives it: what is said, by which seats, on which pages."""

    text: str
    seats: list[str]
    cited: list[int]


def written(chances: Chances, name: str, known: Known, bodies: Mapping[str, str]) -> str:
    """Return the answer, from the fenced material of the writer's request by title.

    A heading or a table is no point of a comparison: the writer takes it over from the answers by itself.
    """
    answers = {title.split()[1]: body for title, body in bodies.items() if title.startswith("answer ")}
    if "comparison" not in bodies:
        return next(iter(answers.values()))
    lines = [line for line in _lines(bodies["comparison"]) if _is_true(line, answers)]
    said = [(line.text, line.cited) for line in lines]
    points = [*known.sentences, *known.forms]
    voices = {point.id: sum(is_said(point.say, text) for text in answers.values()) for point in points}
    gained = [p for p in known.sentences if not p.is_error and not voices[p.id] and chances.keeps(name, p, 0)]
    forms = [point.say for point in known.forms if chances.keeps(name, point, voices[point.id])]
    return composed([*said, *((point.say, ()) for point in gained)], forms)


def _lines(comparison: str) -> Iterator[_Line]:
    """Yield the points of a comparison; of a contradiction the better side."""
    better = ""
    for line in comparison.splitlines():
        if clash := _CLASH.fullmatch(line):
            better = clash["seat"]
        elif (stance := _STANCE.fullmatch(line)) and stance["seats"] == better:
            yield _line(stance)
        elif claim := _CLAIM.fullmatch(line):
            yield _line(claim)


def _line(found: re.Match[str]) -> _Line:
    return _Line(
        found["text"], re.findall(r"\d+", found["seats"]), [int(n) for n in re.findall(r"\d+", found["cited"])]
    )


def _is_true(line: _Line, answers: Mapping[str, str]) -> bool:
    """Return whether every answer that is named really says it."""
    return all(is_said(line.text, answers.get(seat, "")) for seat in line.seats)
