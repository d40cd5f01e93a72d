"""The judge: who says what, told by letter, with some findings lost and some errors seen through."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fusion_graph.evaluation.simulated.chances import Chances
from fusion_graph.evaluation.simulated.key import Known, Point
from fusion_graph.evaluation.simulated.texts import cited_for, is_said

Answers = Mapping[str, str]  # by letter


def compared(chances: Chances, name: str, known: Known, answers: Answers) -> str:
    """Return the report on answers, as the JSON that the prompt asks for."""
    voices = {point.id: letters for point in known.sentences if (letters := _letters(point, answers))}
    told = {point.id: point for point in known.sentences if _is_told(chances, name, point, voices)}
    errors = [point for point in known.sentences if point.id in voices and point.is_error and point.id not in told]
    clashes = {point.against: point for point in errors if point.against in told and _has_two_sides(point, voices)}
    claims = [point for point in told.values() if point.id not in clashes]
    report = {
        "consensus": [_point(point, voices[point.id], answers) for point in claims if len(voices[point.id]) > 1],
        "contradictions": [_clash(known.points[right], wrong, voices, answers) for right, wrong in clashes.items()],
        "partial_coverage": [],
        "unique_insights": [
            _insight(point, voices[point.id][0], answers) for point in claims if len(voices[point.id]) == 1
        ],
        "blind_spots": [],
        "strongest": {"answer": _fullest(voices, answers), "why": "it has the most of what is told here"},
    }
    return json.dumps(report, ensure_ascii=False)


def picked(chances: Chances, name: str, known: Known, answers: Answers) -> str:
    """Return the letter of the answer with the most findings, less the errors that are seen through."""

    def worth(letter: str) -> int:
        said = known.said_in(answers[letter])
        return sum(-1 if point.is_error and chances.catches(name, point, 1) else 1 for point in said)

    return json.dumps({"best": max(answers, key=worth), "why": "it says the most that holds"})


def _letters(point: Point, answers: Answers) -> list[str]:
    return [letter for letter, text in answers.items() if is_said(point.say, text)]


def _is_told(chances: Chances, name: str, point: Point, voices: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a point is reported: a finding that is kept, or an error that is taken for one."""
    if point.id not in voices:
        return False
    count = len(voices[point.id])
    return not chances.catches(name, point, count) if point.is_error else chances.keeps(name, point, count)


def _has_two_sides(wrong: Point, voices: Mapping[str, Sequence[str]]) -> bool:
    """Return whether nobody says both what is wrong and what is right about the same thing."""
    return not set(voices[wrong.id]) & set(voices[wrong.against])


def _point(point: Point, letters: Sequence[str], answers: Answers) -> dict[str, Any]:
    sources = sorted({number for letter in letters for number in cited_for(point.say, answers[letter])})
    return {"point": point.say, "answers": list(letters), "sources": sources}


def _insight(point: Point, letter: str, answers: Answers) -> dict[str, Any]:
    return {"insight": point.say, "answer": letter, "sources": cited_for(point.say, answers[letter])}


def _clash(right: Point, wrong: Point, voices: Mapping[str, Sequence[str]], answers: Answers) -> dict[str, Any]:
    """Return a contradiction in which the side of an error is told for what it is."""
    stances = [
        {"answer": letter, "stance": point.say, "sources": cited_for(point.say, answers[letter])}
        for point in (right, wrong)
        for letter in voices[point.id]
    ]
    better = voices[right.id][0]
    return {"topic": right.id.replace("-", " "), "stances": stances, "better_supported": better}


def _fullest(voices: Mapping[str, Sequence[str]], answers: Answers) -> str:
    said = [letter for letters in voices.values() for letter in letters]
    return max(answers, key=said.count)
