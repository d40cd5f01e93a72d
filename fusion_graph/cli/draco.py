"""`fusion draco`: what a panel is worth, on DRACO, on our mini-DRACO, or on tasks and questions of one's own."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fusion_graph import terminal
from fusion_graph.cli.app import app, print_result
from fusion_graph.cli.evaluations import (
    Grading,
    Named,
    asked_for,
    consent,
    cost_table,
    costs_of,
    evaluate_in_folder,
    finish,
    regraded,
    size_of,
    tasks_of,
)

CODES = (
    "Exit codes: 0 done; 1 stopped before its end (what is paid for is kept: run it again); 2 usage or settings; "
    "3 --max-cost reached; 4 credentials; 130 Ctrl-C."
)
draco = typer.Typer(
    no_args_is_help=True,
    help="What is a panel worth? Answers, rubric grading, statistics, and a report that anyone can reproduce.",
    epilog="Try it offline: fusion draco run --dataset mini --config demo-table --out demo-evaluation",
)
app.add_typer(draco, name="draco")

Data = Annotated[
    str, typer.Option("--dataset", help="draco, mini, a rubric file (.jsonl), or plain questions (.txt, .jsonl).")
]
Config = Annotated[
    str,
    typer.Option(
        help="published-table, equal-budget, hosted, demo-table, or a TOML file of yours.", show_default=False
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Instead of --config: preset:NAME, solo:MODEL, best-of-N:MODEL, endpoint:MODEL; comma-separated or repeated.",
    ),
]
Revision = Annotated[
    str, typer.Option(help="Revision of DRACO on its hub; default: the published one.", show_default=False)
]
AcceptChanged = Annotated[
    bool, typer.Option("--accept-changed", help="Take a data set whose hash is not the expected one.")
]
Sample = Annotated[int, typer.Option(help="So many tasks only, from all domains. 0: all.", min=0)]
Seed = Annotated[int, typer.Option(help="Which sample.")]
Protocol = Annotated[str, typer.Option(help="Grading protocol: a name, or a TOML file.", show_default=False)]
GraderModel = Annotated[
    str, typer.Option("--grader", help="Model that grades; default: the protocol's.", show_default=False)
]
Gradings = Annotated[int, typer.Option(help="Gradings of each answer. 0: the protocol's.", min=0, max=20)]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an evaluation.")]
Members = Annotated[
    bool, typer.Option("--no-members", help="Grade no members of panels: no ledger of what they brought, less cost.")
]
MaxCost = Annotated[
    float, typer.Option(help="Begin nothing more when so many US dollars are spent. 0: no limit.", min=0)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]


@draco.command(epilog=CODES)
def run(
    out: Annotated[
        Path, typer.Option(help="Folder for answers, verdicts and report; one that is there is gone on with.")
    ],
    dataset: Data = "",
    revision: Revision = "",
    accept_changed: AcceptChanged = False,
    config: Config = "",
    target: Targets = None,
    sample: Sample = 0,
    seed: Seed = 0,
    protocol: Protocol = "",
    grader: GraderModel = "",
    gradings: Gradings = 0,
    no_members: Members = False,
    max_cost: MaxCost = 0.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")] = False,
    concurrency: Annotated[int, typer.Option(help="Answers asked for at a time.", min=1, max=64)] = 4,
    grader_concurrency: Annotated[int, typer.Option(help="Verdicts asked for at a time.", min=1, max=256)] = 16,
    quiet: Quiet = False,
) -> None:
    """Ask all targets, grade their answers, write the report. Killed or stopped, it goes on where it was.

    Example, on questions of yours: fusion draco run --dataset questions.txt --target preset:quality,solo:openai/gpt-5.5
    --out study --max-cost 50
    """

    def work() -> int:
        from fusion_graph.evaluation.stages import Wanted

        asked = asked_for(config, target, Grading(protocol, grader, gradings, no_members))
        tasks, drawn = tasks_of(Named(dataset or asked.dataset, revision, accept_changed, sample, seed))
        wanted = Wanted(asked, tasks, out, drawn, concurrency, grader_concurrency)
        consent(wanted, is_given=yes or bool(max_cost))
        return evaluate_in_folder(wanted, max_cost, quiet=quiet)

    finish(work)


@draco.command(epilog=CODES)
def judge(
    folder: Folder,
    protocol: Protocol = "",
    grader: GraderModel = "",
    gradings: Gradings = 0,
    no_members: Members = False,
    max_cost: MaxCost = 0.0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before money is spent.")] = False,
    grader_concurrency: Annotated[int, typer.Option(help="Verdicts asked for at a time.", min=1, max=256)] = 16,
    quiet: Quiet = False,
) -> None:
    """Grade the answers of a folder again, by another protocol or model: no target is asked.

    Example: fusion draco judge study --protocol draco-paper-own
    """

    def work() -> int:
        from fusion_graph.evaluation import folder as folders
        from fusion_graph.evaluation.stages import Wanted

        asked, tasks, drawn = folders.noted(folder)
        asked = regraded(asked, Grading(protocol, grader, gradings, no_members))
        wanted = Wanted(asked, tasks, folder, drawn, grader_concurrency=grader_concurrency, only_kept=True)
        consent(wanted, is_given=yes or bool(max_cost))
        return evaluate_in_folder(wanted, max_cost, quiet=quiet)

    finish(work)


@draco.command()
def estimate(
    dataset: Data = "",
    revision: Revision = "",
    accept_changed: AcceptChanged = False,
    config: Config = "",
    target: Targets = None,
    sample: Sample = 0,
    seed: Seed = 0,
    protocol: Protocol = "",
    grader: GraderModel = "",
    gradings: Gradings = 0,
    no_members: Members = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what an evaluation would cost, by target and grading; nothing is asked, nothing paid.

    Example: fusion draco estimate --config published-table
    """

    def work() -> int:
        asked = asked_for(config, target, Grading(protocol, grader, gradings, no_members))
        size = size_of(Named(dataset or asked.dataset, revision, accept_changed, sample, seed))
        lines = costs_of(asked, size)
        if as_json:
            print_result(json.dumps([line._asdict() for line in lines], ensure_ascii=False))
        else:
            print_result(cost_table(lines, size))
        return 0

    finish(work)


@draco.command()
def report(folder: Folder) -> None:
    """Write the report of a folder again, from its figures.

    Example: fusion draco report study
    """

    def work() -> int:
        from fusion_graph.evaluation import folder as folders
        from fusion_graph.evaluation.report import write_report

        for path in write_report(folders.kept(folder), folder):
            print_result(str(path))
        return 0

    finish(work)


@draco.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of evaluations of the same tasks.")],
    a: Annotated[str, typer.Option(help="A target; default: every one.")] = "",
    b: Annotated[str, typer.Option(help="The target it is compared with; default: every other.")] = "",
) -> None:
    """Compare targets, of one folder or several, on the tasks that both have a score of.

    Example: fusion draco compare study
    """

    def work() -> int:
        from fusion_graph.evaluation import folder as places
        from fusion_graph.evaluation.comparing import compared, comparison_lines

        found = {str(folder): places.kept(folder) for folder in folders}
        rows = comparison_lines(compared(found, a, b))
        print_result("\n".join(terminal.aligned(rows, right=frozenset(range(2, 10)), widest=48)))
        return 0

    finish(work)
