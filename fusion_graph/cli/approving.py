"""A run that waits for approval, at the terminal: what it would do, and a person's answer."""

import sys
from collections.abc import Mapping
from typing import Any

import typer

from fusion_graph import terminal
from fusion_graph.cli.app import tell

EDITS = ("panel", "judge", "writer", "max_cost_usd")
Decision = dict[str, Any]


def approved() -> Decision:
    """Return the decision that starts the panel."""
    return {"decisions": [{"type": "approve"}]}


def rejected(reason: str) -> Decision:
    """Return the decision that ends the run unpaid."""
    return {"decisions": [{"type": "reject", "message": reason}]}


def edited(changes: Mapping[str, Any]) -> Decision:
    """Return the decision that starts the panel with other models or another budget."""
    return {"decisions": [{"type": "edit", "edited_action": {"name": "fusion", "args": dict(changes)}}]}


def tell_waiting(result: Mapping[str, Any]) -> None:
    """Say what a run waits for, and how to answer it later."""
    _tell_plan(result)
    _tell_how(result)


def _tell_plan(result: Mapping[str, Any]) -> None:
    action = result["approval"]["action_requests"][0]
    text = terminal.clean(str(action["description"])).replace("**", "")
    for number, line in enumerate(filter(None, text.split("\n"))):
        tell(*terminal.wrapped(line if number else f"paused: {line}", terminal.width_of(sys.stderr)))


def _tell_how(result: Mapping[str, Any]) -> None:
    command = terminal.command(f"resume {result['run_id'][:8]}")
    for hint in (
        f"start it with: {command} --yes",
        f"or change it (--panel, --judge, --writer, --max-cost), or end it: {command} --no",
    ):
        tell(*terminal.wrapped(f"hint: {hint}", terminal.width_of(sys.stderr)))


def can_be_asked() -> bool:
    """Return whether somebody sits at this terminal who can answer."""
    return sys.stdin.isatty() and terminal.is_live()


def ask_about(result: Mapping[str, Any]) -> Decision | None:
    """Ask the person at the terminal about a run that waits; None leaves it waiting."""
    _tell_plan(result)
    try:
        choice = typer.prompt("Start it? [y]es, [n]o, [e]dit", default="n", show_default=False, err=True)
        if choice.strip().lower() in {"y", "yes"}:
            return approved()
        if choice.strip().lower() in {"e", "edit"}:
            return edited(_changes(result["approval"]["action_requests"][0]["args"]))
        return rejected("declined at the terminal")
    except (typer.Abort, EOFError):  # Ctrl-C or the end of input: no answer is not a refusal
        tell("")
        _tell_how(result)
        return None


def _changes(args: Mapping[str, Any]) -> dict[str, str]:
    asked = {name: terminal.clean(str(args[name])) for name in EDITS}
    return {name: typer.prompt(name, default=value, err=True) for name, value in asked.items()}
