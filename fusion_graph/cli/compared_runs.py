"""Two runs as wholes, in lines of plain text: who they are, their settings, their costs."""

from collections.abc import Iterator, Mapping
from typing import Any

from fusion_graph.cli.differences import marked, section
from fusion_graph.comparison import Comparison, RunHead
from fusion_graph.ledger import Spent
from fusion_graph.terminal import aligned, money
from fusion_graph.terminal.words import DEMO, cost_cell, in_line


def heads(found: Comparison) -> list[str]:
    """Return a line for each run, then what there is to know of either before they are compared."""
    return [*aligned([_head(found, "a"), _head(found, "b")]), *_notes(found)]


def _head(found: Comparison, side: str) -> tuple[str, ...]:
    run, cost = (found["a"], found["costs"]["a"]) if side == "a" else (found["b"], found["costs"]["b"])
    paid, total = (_said(cost[name]) for name in ("paid_by_this_run", "total"))
    inherits = cost["paid_by_this_run"]["calls"] < cost["total"]["calls"]
    said = f"{paid} (in all {total})" if inherits else paid
    return side.upper(), run["run_id"][:8], run["status"], _roles(run), said, _origin(run, found)


def _roles(run: RunHead) -> str:
    judge, writer = in_line(run["judge"]), in_line(run["writer"])
    if not writer:
        return "-"
    return f"judge and writer {writer}" if judge == writer else f"judge {judge}, writer {writer}"


def _origin(run: RunHead, found: Comparison) -> str:
    if run["parent_id"] is None:
        return ""
    letters = {found["b"]["run_id"]: "B", found["a"]["run_id"]: "A"}
    return f"fork of {letters.get(run['parent_id'], run['parent_id'][:8])}"


def _notes(found: Comparison) -> Iterator[str]:
    for letter, run in (("A", found["a"]), ("B", found["b"])):
        if run["finished"]:
            yield from (f"{letter} is {run['status']}: {in_line(reason)}" for reason in run["reasons"])
        else:
            yield f"{letter} has not finished ({run['status']}): compared with what it holds"
    demos = [letter for letter, run in (("A", found["a"]), ("B", found["b"])) if run["demo"]]
    if demos:
        yield f"{' and '.join(demos)}: {DEMO}"
    if found["a"]["question"] != found["b"]["question"]:
        yield from marked(in_line(found["a"]["question"]), in_line(found["b"]["question"]), "asked: ")


def settings(found: Comparison) -> list[str]:
    """Return the settings that differ, each with both values."""
    lines = [f"{_setting(entry['name'])}: {_value(entry['a'])} -> {_value(entry['b'])}" for entry in found["settings"]]
    return section("Settings", "" if lines else "the same", lines)


def _setting(name: str) -> str:
    return name.replace("panel.", "seat ")


def _value(value: Any) -> str:
    """Return a setting's value as a person would write it: a seat by its model and what else it was given."""
    if isinstance(value, Mapping):
        more = [f"{name} {_value(given)}" for name, given in value.items() if name != "model"]
        return in_line(value.get("model", "")) + (f" ({', '.join(more)})" if more else "")
    if isinstance(value, list):
        return ", ".join(map(_value, value)) or "none"
    return "none" if value in (None, "") else in_line(str(value).lower() if isinstance(value, bool) else value)


def costs(found: Comparison) -> list[str]:
    """Return what both runs cost, in columns."""
    both = (found["costs"]["a"], found["costs"]["b"])
    paid, total = ([cost[name] for cost in both] for name in ("paid_by_this_run", "total"))
    rows = [
        ("", "A", "B", "B - A"),
        ("in all", *map(_cell, total), _difference(found)),
        ("paid by this run", *map(_cell, paid), ""),
        ("calls", *(f"{spent['calls']:,}" for spent in total), ""),
        ("tokens in", *(f"{spent['input_tokens']:,}" for spent in total), ""),
        ("tokens out", *(f"{spent['output_tokens']:,}" for spent in total), ""),
    ]
    return section("Cost", "", [f"  {line}" for line in aligned(rows, right=frozenset({1, 2, 3}))])


def _difference(found: Comparison) -> str:
    usd = found["costs"]["difference_usd"]
    if usd is None:
        return "unknown"
    sign = "-" if usd < 0 else "+" if usd else ""
    at_least = ">= " if found["costs"]["difference_is_lower_bound"] else ""
    return f"{at_least}{sign}{money(abs(usd))}"


def _cell(spent: Spent) -> str:
    return cost_cell(spent["cost_usd"], lower_bound=spent["cost_is_lower_bound"])


def _said(spent: Spent) -> str:
    return money(spent["cost_usd"], lower_bound=spent["cost_is_lower_bound"])
