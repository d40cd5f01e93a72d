"""What the subcommands of `fusion draco` share: what is asked for, what it would cost, and how it ends."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from fusion_graph import terminal
from fusion_graph.cli.app import listed, print_result, refused, tell, wait_for
from fusion_graph.cli.approving import can_be_asked
from fusion_graph.database.address import faults
from fusion_graph.errors import BudgetSpentError, FusionError, SettingsError, redact

if TYPE_CHECKING:
    from fusion_graph.evaluation.config import EvaluationConfig
    from fusion_graph.evaluation.costs import Cost, Size
    from fusion_graph.evaluation.shapes import Dataset
    from fusion_graph.evaluation.stages import Wanted


class Named(NamedTuple):
    """The data set that the command line names, and what is drawn from it."""

    source: str
    revision: str = ""
    accept_changed: bool = False
    sample: int = 0
    seed: int = 0


class Grading(NamedTuple):
    """What the command line says of grading; what is empty is the configuration's."""

    protocol: str = ""
    grader: str = ""
    gradings: int = 0
    no_members: bool = False


def finish(work: Callable[[], int]) -> None:
    """Do the work, and turn its errors into words and an exit code."""
    os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")  # before LangGraph is imported
    try:
        code = work()
    except FusionError as error:
        code = _refused(error)
    except faults() as error:
        if isinstance(error, BrokenPipeError):
            raise
        tell(f"error: {redact(' '.join(str(error).split()))}", "hint: is the folder one this user can write to?")
        code = 1
    raise typer.Exit(code)


def _refused(error: FusionError) -> int:
    code = refused(error, as_json=False)
    return 3 if isinstance(error, BudgetSpentError) else code


def asked_for(config: str, target: list[str] | None, grading: Grading) -> "EvaluationConfig":
    """Return what is to be measured, graded as the command line says. Raises SettingsError."""
    from fusion_graph.evaluation.config import config_names, config_of, load_config

    targets = listed(target) or []
    if bool(config) == bool(targets):
        hint = f"--config {', '.join(config_names())}, or a file; or --target, repeated"
        what = "both --config and --target are given" if config else "nothing is to be measured"
        raise SettingsError(what, field="config", value=config, hint=hint)
    return regraded(load_config(config) if config else config_of(targets), grading)


def regraded(config: "EvaluationConfig", grading: Grading) -> "EvaluationConfig":
    """Return a configuration that is graded as the command line says."""
    # Which of the two protocols holds, the tasks decide.
    given: dict[str, Any] = {"protocol": grading.protocol, "pairs": grading.protocol}
    given |= {"model": grading.grader, "gradings": grading.gradings}
    changed = {name: value for name, value in given.items() if value}
    changed |= {"members": False} if grading.no_members else {}
    made = config.model_dump(mode="json", exclude_unset=True)
    return type(config).model_validate(made | {"grader": made.get("grader", {}) | changed})


def size_of(data: Named) -> "Size":
    """Return how much a data set holds; of DRACO also where it cannot be fetched. Raises SettingsError."""
    from fusion_graph.evaluation import costs

    try:
        return costs.counted(tasks_of(data)[0])
    except SettingsError:
        raise
    except FusionError:
        return costs.draco_size(data.sample)


def tasks_of(data: Named) -> "tuple[Dataset, dict[str, int] | None]":
    """Return the tasks, and how they were drawn. Raises SettingsError, FusionError."""
    from fusion_graph.evaluation.dataset import load_dataset, sampled

    if not data.source:
        hint = "--dataset draco, mini, or a file of tasks or questions"
        raise SettingsError("no data set is named", field="dataset", value=data.source, hint=hint)
    found = load_dataset(data.source, revision=data.revision, accept_changed=data.accept_changed)
    drawn = {"n": data.sample, "seed": data.seed}
    return (sampled(found, data.sample, data.seed), drawn) if data.sample else (found, None)


def costs_of(config: "EvaluationConfig", size: "Size") -> "list[Cost]":
    """Return what each target and its grading would cost. Raises SettingsError, ModelLoadError."""
    from fusion_graph.evaluation.costs import estimate_costs
    from fusion_graph.evaluation.evaluating import protocol_for

    protocol = protocol_for(config, has_rubrics=bool(size.criteria))
    return estimate_costs(config, size, protocol.model, getattr(protocol, "gradings", 1))


def cost_table(lines: "list[Cost]", size: "Size") -> str:
    """Return an estimate as a table, with its sum and what is not known."""
    from fusion_graph.estimate import render_cost
    from fusion_graph.evaluation.costs import total

    rows = [("WHAT", "MODEL", "CALLS", "COST $")]
    rows += [
        (line.what, line.model, f"{line.calls:,}", render_cost(line.usd) if line.usd else "unknown") for line in lines
    ]
    cost, unknown = total(lines)
    sum_told = f"{'at least' if unknown else 'about'} ${render_cost(cost)}" if cost else "cost unknown"
    told = f"{size.tasks} tasks, {size.criteria} criteria: {sum_told}"
    missing = [f"no price is known for {', '.join(unknown)}"] if unknown else []
    return "\n".join([*terminal.aligned(rows, right=frozenset({2, 3}), widest=48), "", told, *missing])


def consent(wanted: "Wanted", *, is_given: bool) -> None:
    """Tell the price, and wait for a yes where somebody can give it.

    Raises:
        SettingsError: nobody can, and nothing says that it may cost money.
    """
    if wanted.config.simulation or is_given:
        return
    from fusion_graph.evaluation.costs import counted

    size = counted(wanted.dataset)
    tell(cost_table(costs_of(wanted.config, size), size), "")
    if not can_be_asked():
        hint = "--yes, or --max-cost with what it may cost in US dollars"
        raise SettingsError("an evaluation costs money", field="yes", hint=hint)
    typer.confirm("Go on? What is paid for already is not paid again.", abort=True, err=True)


def evaluate_in_folder(wanted: "Wanted", max_cost: float, *, quiet: bool) -> int:
    """Evaluate, write figures and report, and print where they are; return the exit code."""
    from fusion_graph.evaluation import folder as folders
    from fusion_graph.evaluation.evaluating import evaluate
    from fusion_graph.evaluation.purse import Purse
    from fusion_graph.evaluation.report import write_report
    from fusion_graph.terminal.evaluation import watched

    with watched(is_live=terminal.is_live(), quiet=quiet) as watch:
        outcome = wait_for(evaluate(wanted, Purse(max_cost), watch))
    paths = [folders.keep(outcome.results, wanted.folder), *write_report(outcome.results, wanted.folder)]
    for path in paths:
        print_result(str(path))
    return _refused(outcome.error) if outcome.error else 0
