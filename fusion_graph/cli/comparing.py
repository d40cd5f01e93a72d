"""`fusion runs compare A B`: two runs, and in what they differ."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion_graph import terminal
from fusion_graph.cli import completing
from fusion_graph.cli.app import AsJson, Database, print_result, runs_app, with_runs

if TYPE_CHECKING:
    from fusion_graph.comparison import Comparison
    from fusion_graph.runs import Runs

SIDE_BY_SIDE_COLUMNS = 110  # half of it is still a line of prose
_HELP = "A run's id, or the beginning of it."


@runs_app.command("compare")
def compare_runs(
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP, autocompletion=completing.runs)],
    b: Annotated[str, typer.Argument(metavar="B", help=_HELP, autocompletion=completing.runs)],
    db: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show in what two runs differ: settings, answers by sentence, analyses by point, sources, costs. Pays nothing.

    Lines with - are of A, those with + of B; on a wide terminal the answers stand side by side. A run that has not
    finished is compared with what it holds.

    Example: fusion runs compare RUN OTHER
    """

    async def work(runs: "Runs") -> int:
        from fusion_graph.comparison import compare_results

        found = compare_results(await _told(a, runs), await _told(b, runs))
        if as_json:
            print_result(json.dumps(found, ensure_ascii=False))
        else:
            _show(found)
        return 0

    with_runs(db, work, as_json=as_json, given={"run": [a, b]})


async def _told(run: str, runs: "Runs") -> dict[str, Any]:
    """Return a run's result object with what only its row knows."""
    row = await runs.get(run)
    return {**await runs.show(row["run_id"]), "parent_id": row["parent_id"], "question": row["question"]}


def _show(found: "Comparison") -> None:
    from fusion_graph.cli import compared_runs, differences

    width = terminal.width_of(sys.stdout)
    is_wide = terminal.is_page() and (width or 0) >= SIDE_BY_SIDE_COLUMNS
    _print([*compared_runs.heads(found), *compared_runs.settings(found)], width)
    if is_wide:
        from fusion_graph.cli.side_by_side import print_answers

        _print(differences.answer(found)[:2], width)
        print_answers(found)
    else:
        _print(differences.answer(found), width)
    _print([*differences.analysis(found), *differences.panel(found), *differences.sources(found)], width)
    _print(compared_runs.costs(found), None)


def _print(lines: list[str], width: int | None) -> None:
    for line in lines:
        for part in terminal.wrapped(line, width) if line else [""]:
            print_result(part)
