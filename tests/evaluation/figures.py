"""Figures of evaluations that could have been: what reports are made of in tests."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean, stdev
from typing import Any, cast

from fusion_graph.evaluation.shapes import (
    Comparison,
    Ending,
    Estimate,
    Kind,
    MemberFigures,
    PairFigures,
    Published,
    Results,
    Share,
    TargetFigures,
    TaskRow,
)

DOMAINS = (
    "Academic", "Finance", "Law", "Medicine", "Technology", "General Knowledge", "UX Design", "Personalized Assistant",
    "Shopping/Product Comparison", "Needle in a Haystack",
)  # fmt: skip
AXES = {
    "factual-accuracy": -4.0,
    "breadth-and-depth-of-analysis": 3.0,
    "presentation-quality": 12.0,
    "citation-quality": -9.0,
}
# What a reader is not to be harmed by: markup of both formats, marks that turn text around, and a name without an end.
HOSTILE = (
    '<script>alert("a")</script>',
    "a|b`c`*d*_e_ [f](https://evil.example) ![g](//evil.example/x.png)",
    "\u202egnp.exe\u202c \u2066x\u2069 \x1b[31m & &amp; 'q' \"q\" ]]> --> https://evil.example",
    "واحد " + "endless" * 40,
)


@dataclass
class Entry:
    """A target: how able it is, from 0 to 100, and what it takes."""

    name: str
    kind: Kind
    skill: float
    usd: float | None
    seconds: float | None
    published: Published | None = None
    is_lower_bound: bool = False
    missing: Mapping[int, Ending] = field(default_factory=dict)


def published(score: float, tasks: int = 100) -> Published:
    return {"score": score, "tasks": tasks, "source": "the table of June 2026"}


ENTRIES = (
    Entry("Fable 5 + GPT-5.5 / Opus 4.8", "fusion", 68, 1.92, 214, published(69.0, 93), missing={7: "refused", 31: "refused"}),
    Entry("Opus 4.8 + GPT-5.5 + Gemini 3.1 Pro / Opus 4.8", "fusion", 68.5, 1.54, 231, published(68.3)),
    Entry("Opus 4.8 + GPT-5.5 / Opus 4.8", "fusion", 66, 1.21, 198, published(67.6)),
    Entry("Opus 4.8 twice", "fusion", 64, 1.08, 187, published(65.5), missing={12: "failed"}),
    Entry("Gemini 3 Flash + Kimi K2.6 + DeepSeek V4 Pro / Opus 4.8", "fusion", 64.5, 0.43, 205, published(64.7)),
    Entry("Fable 5", "solo", 66, 0.61, 141, published(65.3, 93), missing=dict.fromkeys((3, 7, 20, 31, 44, 58, 80), "refused")),
    Entry("DeepSeek V4 Pro", "solo", 60, 0.052, 176, published(60.3), is_lower_bound=True),
    Entry("GPT-5.5", "solo", 61, 0.38, 122, published(60.0), missing={9: "timed_out", 66: "failed"}),
    Entry("Opus 4.8", "solo", 59, 0.47, 118, published(58.8)),
    Entry("Kimi K2.6", "solo", 54, 0.061, 193, published(53.7)),
    Entry("Gemini 3.1 Pro", "solo", 46, 0.24, 97, published(45.4)),
    Entry("Gemini 3 Flash", "solo", 43, 0.019, 58, published(43.1)),
    Entry("Opus 4.8, best of 3", "best_of", 62, 1.49, 126),
    Entry("openrouter/fusion", "endpoint", 66.5, None, 240),
)  # fmt: skip


def results(entries: Sequence[Entry] = ENTRIES, *, tasks: int = 100, seed: int = 1, **changes: Any) -> Results:
    """Return the figures of an evaluation of these targets on so many tasks; `changes` replace parts of them."""
    rows = _rows(entries, tasks, _luck(seed))
    targets = [_target(entry, rows) for entry in entries]
    found: Results = {
        "name": "draco, published table",
        "dataset": {
            "name": "draco",
            "source": "hub: perplexity-ai/draco, test.jsonl",
            "revision": "ce076749809027649ebd331bcb70f42bf720d387",
            "sha256": "e35bfe78cd827fa1d541b79fbc7bc7b91966d3227d8742c83e99d26d4ac4679a",
            "tasks": tasks,
            "domains": {name: sum(row["domain"] == name for row in rows) for name in DOMAINS[:tasks]},
            "sampled": None,
        },
        "protocol": {
            "name": "openrouter-2026-06-own",
            "sha256": "5f1e0c1d" * 8,
            "model": "gemini-3.1-pro-preview",
            "gradings": 3,
            "temperature": 0.2,
            "reasoning": "low",
        },
        "is_simulated": False,
        "targets": targets,
        "comparisons": _comparisons(entries, rows),
        "pairs": [],
        "members": [_members(entry, tasks) for entry in entries if entry.kind == "fusion"][:2],
        "tasks": rows,
        "spent": {
            "cost_usd": 2604.18,
            "cost_is_lower_bound": True,
            "by_role": {"panelist": 512.4, "judge": 88.1, "writer": 61.2, "grader": 1942.48},
            "calls": 171_204,
        },
        "manifest": {
            "at": "2026-11-20T14:12:09Z",
            "seed": seed,
            "versions": {"fusion_graph": "0.1.0", "langgraph": "1.2.22"},
            "prompts": {"judge": "8c1f" * 16, "writer": "77ab" * 16},
            "targets": {entry.name: {"kind": entry.kind, "tool_calls": 16} for entry in entries},
        },
    }
    return found | changes  # type: ignore[return-value]


def in_pairs(*, tasks: int = 24) -> Results:
    """Return the figures of questions without rubrics, whose answers were compared in pairs."""
    entries = ENTRIES[1:3] + ENTRIES[8:9]
    found = results(entries, tasks=tasks, name="my questions", comparisons=[], members=[])
    found["targets"] = [cast("TargetFigures", {**target, **_UNSCORED}) for target in found["targets"]]
    found["protocol"] = found["protocol"] | {"name": "pairs-own", "gradings": 1}
    found["dataset"] |= {"name": "questions.txt", "source": "questions.txt", "revision": "", "domains": {}}
    found["pairs"] = [
        pair(entries[0].name, entries[2].name, 15, 5, 4, p=0.019, p_holm=0.057),
        pair(entries[1].name, entries[2].name, 12, 5, 6, undecided=1, p=0.238, p_holm=0.476),
        pair(entries[0].name, entries[1].name, 0, 24, 0, p=None, p_holm=None),
    ]
    for row in found["tasks"]:
        row["scores"] = dict.fromkeys(row["scores"])
    return found


def pair(a: str, b: str, wins: int, ties: int, losses: int, **more: Any) -> PairFigures:
    undecided = more.pop("undecided", 0)
    many = wins + ties + losses
    return {
        "a": a,
        "b": b,
        "n": many + undecided,
        "wins": wins,
        "ties": ties,
        "losses": losses,
        "undecided": undecided,
        "same_in_both_orders": share(many - ties, many),
        **more,  # type: ignore[typeddict-item]
    }


def estimate(values: Sequence[float]) -> Estimate:
    if len(values) < 2:
        return {"n": len(values), "mean": values[0] if values else None, "low": None, "high": None}
    mean, half = fmean(values), 1.96 * stdev(values) / sqrt(len(values))
    return {"n": len(values), "mean": mean, "low": mean - half, "high": mean + half}


def share(hits: int, n: int) -> Share:
    if not n:
        return {"n": 0, "hits": 0, "share": None, "low": None, "high": None}
    part = hits / n
    half = 1.96 * sqrt(part * (1 - part) / n)
    return {"n": n, "hits": hits, "share": part, "low": max(0.0, part - half), "high": min(1.0, part + half)}


NONE: Estimate = {"n": 0, "mean": None, "low": None, "high": None}
_UNSCORED: dict[str, Any] = {
    **dict.fromkeys(("own", "zero_filled", "common", "clean", "pass_rate"), NONE),
    "judge_noise": None, "coverage": None, "axes": {}, "domains": {}, "published": None,
}  # fmt: skip


def _luck(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same figures every time


def _rows(entries: Sequence[Entry], tasks: int, luck: random.Random) -> list[TaskRow]:
    rows: list[TaskRow] = []
    for number in range(tasks):
        hardness = luck.gauss(0, 14)
        scores = {entry.name: min(max(entry.skill + hardness + luck.gauss(0, 13), 0.0), 100.0) for entry in entries}
        endings: dict[str, Ending] = {entry.name: entry.missing.get(number, "answered") for entry in entries}
        rows.append(
            {
                "task": f"draco-{number:03d}",
                "domain": DOMAINS[number % len(DOMAINS)],
                "scores": {name: score if endings[name] == "answered" else None for name, score in scores.items()},
                "endings": endings,
                "leaks": {},
            }
        )
    if tasks > 20:
        name = entries[-1].name
        rows[16]["leaks"] = {name: ["web_fetch, call 4: 'perplexity-ai/draco' on a page of a mirror"]}
        rows[17]["endings"][name] = "unverified"
    return rows


def _target(entry: Entry, rows: Sequence[TaskRow]) -> TargetFigures:
    own = {row["task"]: score for row in rows if (score := row["scores"][entry.name]) is not None}
    common = [
        score for row in rows if (score := row["scores"][entry.name]) is not None and None not in row["scores"].values()
    ]
    leaky = {row["task"] for row in rows if row["leaks"].get(entry.name)}
    scores = list(own.values())
    endings = [row["endings"][entry.name] for row in rows]
    return {
        "name": entry.name,
        "kind": entry.kind,
        "models": entry.name.replace(" / ", " + ").split(" + "),
        "published": entry.published,
        "own": estimate(scores),
        "zero_filled": estimate([*scores, *[0.0] * (len(rows) - len(scores))]),
        "common": estimate(common),
        "clean": estimate([score for task, score in own.items() if task not in leaky]),
        "pass_rate": estimate([0.85 * score + 12 for score in scores]),
        "judge_noise": 3.1,
        "coverage": 0.997,
        "axes": {axis: estimate([min(score + shift, 100) for score in scores]) for axis, shift in AXES.items()},
        "domains": {
            domain: estimate([own[row["task"]] for row in rows if row["domain"] == domain and row["task"] in own])
            for domain in DOMAINS[: len(rows)]
        },
        "endings": {ending: endings.count(ending) for ending in set(endings)},
        "unscored": 0,
        "contaminated": len(leaky),
        "cost_usd": entry.usd,
        "cost_is_lower_bound": entry.is_lower_bound or entry.usd is None,
        "cost_by_role": _by_role(entry),
        "seconds": entry.seconds,
        "seconds_high": entry.seconds and 1.7 * entry.seconds,
    }  # fmt: skip


def _by_role(entry: Entry) -> dict[str, float | None]:
    grading = {"grader": 1.74}
    if entry.kind != "fusion":
        return {"panelist": entry.usd, **grading}
    usd = entry.usd or 0.0
    return {"panelist": 0.78 * usd, "judge": 0.13 * usd, "writer": 0.09 * usd, **grading}


def _comparisons(entries: Sequence[Entry], rows: Sequence[TaskRow]) -> list[Comparison]:
    named = [(a.name, b.name) for a in entries[:3] for b in entries if b.kind != "fusion"]
    return [comparison(a, b, _differences(a, b, rows)) for a, b in named[:12:2]]


def comparison(a: str, b: str, differences: Sequence[float]) -> Comparison:
    clear = bool(differences) and abs(fmean(differences)) > 6
    p = 0.0004 if clear else 0.21
    return {
        "a": a,
        "b": b,
        "difference": estimate(differences),
        "p": p if differences else None,
        "p_holm": min(6 * p, 1.0) if differences else None,
        "wins": sum(each > 1 for each in differences),
        "ties": sum(abs(each) <= 1 for each in differences),
        "losses": sum(each < -1 for each in differences),
    }


def _differences(a: str, b: str, rows: Sequence[TaskRow]) -> list[float]:
    pairs = [(row["scores"][a], row["scores"][b]) for row in rows]
    return [one - other for one, other in pairs if one is not None and other is not None]


def _members(entry: Entry, tasks: int) -> MemberFigures:
    seats = entry.name.partition(" / ")[0].split(" + ")
    rows = _rows(
        [Entry(f"seat {n}: {model}", "solo", 58 - n, 0.4, 120) for n, model in enumerate(seats, 1)],
        tasks,
        _luck(2),
    )
    bounds = estimate([81.0, 97.0, 64.0] * max(1, tasks // 3))
    return {
        "target": entry.name,
        "members": [_target(Entry(name, "solo", 58, 0.4, 120), rows) for name in rows[0]["scores"]],
        "keep1": share(5 * tasks, 8 * tasks),
        "keep2": share(9 * tasks, 10 * tasks),
        "gain0": share(tasks // 3, 9 * tasks),
        "caught": share(tasks // 2, tasks),
        "caught_shared": share(tasks // 25, tasks // 10),
        "invented": share(2, 3 * tasks),
        "correlation": 0.46,
        "union": bounds,
        "intersection": estimate([score - 45 for score in [81.0, 97.0, 64.0] * max(1, tasks // 3)]),
    }
