"""The judge of the demo: agreement, conflict and one-sided points, computed from the answers it is given.

Two sentences tell of the same thing if they share most of their words. They conflict if the same unit then has different
numbers, and agree if it has the same, or if there are none.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from fusion_graph.demo.panelist import NOT_IN_CORPUS
from fusion_graph.demo.text import FEWEST_TERMS, STOPWORDS, Statement, amounts, statements, stem, terms

_ALIKE = 0.65  # of the words of the shorter sentence
_MOST = 8  # points of a kind
_EVIDENCE = re.compile(r"\n\n(?:Looked at:|\(no source\)).*", re.DOTALL)


def compare(question: str, answers: dict[str, str]) -> str:
    """Return the judge's report, as JSON, on answers by letter."""
    bodies = {label: _EVIDENCE.sub("", text) for label, text in answers.items()}
    said = [statement for label, text in bodies.items() for statement in statements(label, text)]
    if not said:
        return json.dumps(_nothing(question, [label for label, text in bodies.items() if NOT_IN_CORPUS in text]))
    groups = _groups(said)
    clashes = [clash for group in groups if (clash := _clash(group))]
    agreed = [group for group in groups if not _clash(group) and len(_authors(group)) > 1]
    alone = [group[0] for group in groups if len(_authors(group)) == 1]
    report = {
        "consensus": [_point(group) for group in agreed[:_MOST]],
        "contradictions": clashes[:_MOST],
        "partial_coverage": list(_coverage(question, bodies, said))[:_MOST],
        "unique_insights": [_insight(statement) for statement in alone[:_MOST]],
        "blind_spots": [f'nothing is said about "{word}"' for word in _missing(question, said)],
        "strongest": _strongest(agreed, said),
    }
    return json.dumps(report, ensure_ascii=False)


def _nothing(question: str, labels: list[str]) -> dict[str, Any]:
    agreed = [{"point": NOT_IN_CORPUS, "answers": labels, "sources": []}] if len(labels) > 1 else []
    return {"consensus": agreed, "blind_spots": [question]}


def alike(one: Statement, other: Statement) -> bool:
    """Return whether two statements tell of the same thing."""
    shared = one.terms & other.terms
    return len(shared) >= FEWEST_TERMS and len(shared) >= _ALIKE * min(len(one.terms), len(other.terms))


def differ(one: Statement, other: Statement) -> bool:
    """Return whether two statements give different numbers of the same unit."""
    first, second = amounts(one.text), amounts(other.text)
    return any(not first[unit] & second[unit] for unit in first.keys() & second.keys())


def _groups(said: Sequence[Statement]) -> list[list[Statement]]:
    """Return the statements, those of one subject together, in the order of their first."""
    group_of = {index: index for index in range(len(said))}
    for one, other in combinations(range(len(said)), 2):
        if alike(said[one], said[other]):
            old, new = group_of[other], group_of[one]
            group_of = {index: new if group == old else group for index, group in group_of.items()}
    ids = dict.fromkeys(group_of.values())
    return [[said[index] for index in group_of if group_of[index] == group] for group in ids]


def _authors(group: Sequence[Statement]) -> list[str]:
    return sorted({statement.author for statement in group})


def _sources(group: Sequence[Statement]) -> list[int]:
    return sorted({number for statement in group for number in statement.sources})


def _point(group: Sequence[Statement]) -> dict[str, Any]:
    return {"point": group[0].text, "answers": _authors(group), "sources": _sources(group)}


def _insight(statement: Statement) -> dict[str, Any]:
    return {"insight": statement.text, "answer": statement.author, "sources": list(statement.sources)}


def _clash(group: Sequence[Statement]) -> dict[str, Any] | None:
    """Return the contradiction of a group, one stance for each author, if authors differ in a number."""
    for one, other in combinations(group, 2):
        if one.author != other.author and differ(one, other):
            sides = [s for s in group if differ(s, one) or differ(s, other)]
            first = {s.author: s for s in reversed(sides)} | {one.author: one, other.author: other}
            stances = [{"answer": a, "stance": s.text, "sources": list(s.sources)} for a, s in sorted(first.items())]
            return {"topic": topic(one, other), "stances": stances, "better_supported": ""}
    return None


def topic(one: Statement, other: Statement) -> str:
    """Return the longest run of words of the first statement that the other has as well."""
    shared = terms(one.text) & terms(other.text)
    runs: list[list[str]] = [[]]
    for word in re.findall(r"[\w'\u2019]+", one.text):
        if stem(word) in shared or word.casefold() in STOPWORDS:
            runs[-1].append(word)
        else:
            runs.append([])
    best = max(runs, key=lambda run: sum(stem(word) in shared for word in run))
    while best and best[0].casefold() in STOPWORDS:
        best = best[1:]
    while best and best[-1].casefold() in STOPWORDS:
        best = best[:-1]
    return " ".join(best) or ", ".join(sorted(shared))


def _words(question: str) -> Iterator[str]:
    yield from dict.fromkeys(word for word in re.findall(r"\w+", question) if terms(word))


def _missing(question: str, said: Sequence[Statement]) -> list[str]:
    covered = terms(" ".join(statement.text for statement in said))
    return [word for word in _words(question) if not terms(word) & covered]


def _coverage(question: str, bodies: dict[str, str], said: Sequence[Statement]) -> Iterator[dict[str, Any]]:
    """Yield the words of the question that only some of the answers speak of."""
    for word in _words(question):
        answers = sorted({s.author for s in said if terms(word) & terms(s.text)})
        if 0 < len(answers) < len(bodies):
            yield {"point": f'only some answers speak of "{word}"', "answers": answers, "sources": []}


def _strongest(agreed: Sequence[Sequence[Statement]], said: Sequence[Statement]) -> dict[str, Any]:
    shared = [author for group in agreed for author in _authors(group)]
    labels = sorted({statement.author for statement in said})
    best = max(labels, key=lambda label: (shared.count(label), sum(s.author == label for s in said)))
    return {"answer": best, "why": "most of what it says is said by others as well", "missing_or_wrong": []}
