"""Tables in plain text: the runs, and what each call of a run cost."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from fusion_graph.ledger import own_calls
from fusion_graph.terminal.costs import cost_of
from fusion_graph.terminal.words import cost_cell, cut, failure, in_line, wrapped

_GAP = "  "
_ROLES = ("decide", "panelist", "judge", "writer")
_ANY_MODEL = 80  # characters of a model and its note where nothing limits them
_ANY_NOTE = 22
_FILES_NAMED = 5  # of each seat


def aligned(
    rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset(), widest: int | None = None
) -> list[str]:
    """Return rows as lines with aligned columns, those in `right` to the right; a cell above `widest` shifts its own row."""
    widths = [max(min(len(row[index]), widest or len(row[index])) for row in rows) for index in range(len(rows[0]))]
    return [
        _GAP.join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def runs_table(rows: Sequence[Mapping[str, Any]], width: int | None = None) -> str:
    """Return the list of runs; questions are cut to `width` columns, None leaves them whole."""
    cells = [("RUN", "STATUS", "SEATS", "COST", "AGE", "QUESTION")]
    cells += [
        (row["run_id"][:8], row["status"], row["seats"], _cost(row), _age(row["created_at"]), in_line(row["question"]))
        for row in rows
    ]
    return "\n".join(line if width is None else cut(line, width) for line in aligned(cells))


def _cost(row: Mapping[str, Any]) -> str:
    return cost_cell(row["cost_usd"], lower_bound=row["cost_is_lower_bound"])


def _age(created: float) -> str:
    seconds = max(0.0, time.time() - created)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def cost_table(result: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Return one line per call of a run: who, model, tokens, seconds, cost; then the total.

    Model names are cut to what `width` leaves them, what became of a failed call is not.
    """
    calls = result["usage"]["calls"]
    if not calls:
        return []
    paid = sorted(own_calls(calls, result["run_id"]), key=_place)
    earlier = [call for call in calls if call not in paid]
    rows = [_Line("CALL", "MODEL", "", ["IN", "OUT", "TIME", "COST"])]
    rows += [_Line("earlier", "of the run this one goes back to", "", _sums(earlier))] if earlier else []
    rows += [_line(call, is_running=result["status"] == "running") for call in paid]
    rows += [_Line("total", f"{len(calls)} calls", "", _sums(calls))]
    return aligned(_fitted(rows, width), right=frozenset({2, 3, 4, 5}))


def tool_lines(result: Mapping[str, Any], width: int | None = None) -> list[str]:
    """Return what each seat used its tools for; what it wanted and was not run is told."""
    seats = [seat for seat in result["usage"].get("tools", ()) if seat["requested"]]
    told = ", ".join(f"seat {seat['seat']} {_used(seat)}" for seat in seats)
    lines = wrapped(f"tools: {told}", width) if told else []
    made = ", ".join(_files_of(response) for response in result.get("responses") or [] if response.get("files"))
    return [*lines, *(wrapped(f"files: {made}{_where(result)}", width) if made else [])]


def _files_of(response: Mapping[str, Any]) -> str:
    names = [in_line(file["path"]) for file in response["files"][:_FILES_NAMED]]
    more = len(response["files"]) - len(names) + response.get("more_files", 0)
    return f"seat {response['seat']} {', '.join(names)}" + (f" and {more} more" if more else "")


def _where(result: Mapping[str, Any]) -> str:
    """Return where a run's files lie, if they lie on this machine."""
    from fusion_graph.tools.bash.workspace import RUN, Workspaces  # noqa: PLC0415 - tools take a while to import

    folder = Workspaces(os.environ).folder(f"{RUN}{result['run_id']}")
    return f" (in {folder})" if folder.is_dir() else ""


def _used(seat: Mapping[str, Any]) -> str:
    not_run = seat["requested"] - seat["executed"]
    failed = seat.get("failed", {})
    uses = [
        f"{in_line(name)} {count}" + (f" ({failed[name]} failed)" if name in failed else "")
        for name, count in seat["by_tool"].items()
    ]
    return " + ".join([*uses, *([f"{not_run} not run"] if not_run else [])])


class _Line(NamedTuple):
    who: str
    model: str
    note: str
    figures: list[str]


def _place(call: Mapping[str, Any]) -> tuple[int, int, float]:
    """Return what sorts calls as a run goes: decision, seats by number, judge, writer; each by time."""
    return _ROLES.index(call["role"]), call["seat"] or 0, call["started_at"]


def _line(call: Mapping[str, Any], *, is_running: bool) -> _Line:
    seconds = "" if call["duration_seconds"] is None else f"{call['duration_seconds']:.1f} s"
    who = f"seat {call['seat']}" if call["seat"] else call["role"]
    is_open = call["outcome"] is None and not call["repeated"]
    cut = "under way" if is_open and is_running else "stopped" if is_open or call["repeated"] else ""
    note = failure(call["error"]) if call["error"] else cut
    return _Line(who, in_line(call["model"]), note, [*_tokens([call]), seconds, cost_of([call]).cell])


def _tokens(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    told = [call["tokens"] for call in calls if call["tokens"]]
    return [f"{sum(tokens[side] for tokens in told):,}" if told else "-" for side in ("input", "output")]


def _sums(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    return [*_tokens(calls), "", cost_of(calls).said.removeprefix("cost ")]


def _fitted(lines: Sequence[_Line], width: int | None) -> list[list[str]]:
    """Return the cells of the lines, with models cut to what is left of `width`."""
    figures = [max(len(line.figures[index]) for line in lines) for index in range(4)]
    taken = max(len(line.who) for line in lines) + sum(figures) + 5 * len(_GAP)
    room = _ANY_MODEL if width is None else max(_ANY_NOTE, width - taken)
    return [[line.who, _named(line, room), *line.figures] for line in lines]


def _named(line: _Line, room: int) -> str:
    note = f": {cut(line.note, _ANY_NOTE)}" if line.note else ""
    return cut(line.model, room - len(note)) + note
