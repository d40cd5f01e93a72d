"""The result of a run in words: what stands before, in and after the answer. Disagreements come before the sources."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusion_graph import markdown
from fusion_graph.doubts import doubts_of
from fusion_graph.ledger import own_calls
from fusion_graph.terminal.commands import command
from fusion_graph.terminal.costs import cost_of
from fusion_graph.terminal.words import DEMO, clean, clock, counted, in_line, joined, wrapped

READ = {"read": "read", "seen": "only found, not read"}
_RESUMABLE = frozenset({"cancelled", "stopped", "failed", "interrupted"})
_ENDS = {
    "ok": "answered",
    "degraded": "degraded answer",
    "error": "no panel answer",
    "interrupted": "paused: waits for approval",
}


def answer_text(result: Mapping[str, Any]) -> str:
    """Return the answer as Markdown with what a reader needs beside it: disagreements first, then the sources."""
    parts = [result["answer"], *_disagreements(result), *_sources(result)]
    return clean("\n\n".join(part for part in parts if part))


def in_markdown(text: object) -> str:
    """Return text as one line of Markdown that shows it as it is."""
    return markdown.escaped(in_line(text))


def _disagreements(result: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for topic, stances in disagreements(result, in_markdown):
        lines += [f"- {topic}", *(f"  - {stance}" for stance in stances)]
    return ["\n".join(["## Disagreements", *lines])] if lines else []


def _sources(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{source['number']}. {_title(source)}{markdown.linked(in_line(source['url']))} ({READ[source['status']]})"
        for source in listed_sources(result)
    ]
    notes = [*unlisted(result), *doubts_of(result["citations"], in_markdown)]
    lines += ["", *(f"- {note}" for note in notes)] if notes else []
    return ["\n".join(["## Sources", *lines])] if lines else []


def _title(source: Mapping[str, Any]) -> str:
    return f"{in_markdown(source['title'])} " if source["title"] else ""


def listed_sources(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the sources a reader needs: those that were read, and those the answer cites."""
    cited = {citation["source"] for citation in result["citations"]}
    return [source for source in result["sources"] if source["status"] == "read" or source["number"] in cited]


def unlisted(result: Mapping[str, Any]) -> list[str]:
    """Return how many sources are not worth a line of their own."""
    number = len(result["sources"]) - len(listed_sources(result))
    return [f"{counted(number, 'more page')} only found, neither read nor cited"] if number else []


def disagreements(result: Mapping[str, Any], written: Callable[[object], str] = in_line) -> list[tuple[str, list[str]]]:
    """Return each subject the panel disagrees on, with who says what."""
    clashes = (result["analysis"] or {}).get("contradictions") or []
    names = _names(result["responses"])
    return [
        (written(clash["topic"]), [written(f"{names(s['model'])}: {s['stance']}") for s in clash["stances"]])
        for clash in clashes
    ]


def _names(responses: Sequence[Mapping[str, Any]]) -> Any:
    """Return how a stance's model is called: with its seat's number, unless the model sits twice."""
    seats: dict[str, list[int]] = {}
    for response in responses:
        seats.setdefault(response["model"], []).append(response["seat"])
    return lambda model: f"{seats[model][0]} {model}" if len(seats.get(model, [])) == 1 else model


def opening_lines(result: Mapping[str, Any], *, width: int | None = None) -> list[str]:
    """Return what stderr says before the answer: how it came short, and what can be done about it."""
    return [line for text in _warnings(result) for line in wrapped(text, width)]


def _warnings(result: Mapping[str, Any]) -> list[str]:
    status, run = result["status"], result["run_id"][:8]
    label = {"error": "error", "degraded": "warning: degraded answer", "interrupted": "paused"}.get(
        status, f"warning: {status}"
    )
    lines = [f"{label}: {in_line(reason)}" for reason in result["reasons"]]
    lines += [f"note: {in_line(note)}" for note in result.get("notes") or []]  # not in results of before
    if status in _RESUMABLE:
        lines.append(f"hint: go on with: {command(f'resume {run}')}")
    elif status in {"degraded", "error"} and _without_answer(result):
        lines.append(f"hint: ask the failed seats again: {command(f'fork {run} --retry-failed')}")
    return lines


def _without_answer(result: Mapping[str, Any]) -> set[int]:
    """Return the seats that can be asked again: one that was cut with some text has answered."""
    return {seat["seat"] for seat in result["failed_models"]} - {seat["seat"] for seat in result["responses"]}


def closing_lines(result: Mapping[str, Any], seconds: float | None = None, *, width: int | None = None) -> list[str]:
    """Return the figures that end a run: status, time, seats, cost, sources, and how to see it again."""
    return [*([DEMO] if result.get("demo") else []), *joined(_figures(result, seconds), width)]


def _figures(result: Mapping[str, Any], seconds: float | None) -> list[str]:
    seats = len((result["settings"] or {}).get("panel") or [])
    read = sum(source["status"] == "read" for source in result["sources"])
    return [
        _ENDS.get(result["status"], result["status"]),
        *([] if seconds is None else [clock(seconds)]),
        *([f"{len(result['responses'])} of {seats} seats"] if result["fused"] else []),
        _paid(result),
        f"{counted(len(result['sources']), 'source')}, {read} read",
        command(f"show {result['run_id'][:8]}"),
    ]


def _paid(result: Mapping[str, Any]) -> str:
    """Return what this run cost; of a fork, also what its answer cost with the calls it did not pay again."""
    calls = result["usage"]["calls"]
    paid = own_calls(calls, result["run_id"])
    inherited = f" (in all {cost_of(calls).said})" if len(paid) < len(calls) else ""
    return cost_of(paid).said + inherited
