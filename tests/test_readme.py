"""What README shows is true: its drawing, its tables and its code. UPDATE_README=1 writes drawing and tables anew."""

import contextlib
import io
import os
import re
import shlex
import tomllib
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.seats import PanelTool, Seat
from fusion_graph.settings import FusionSettings
from tests.benchmarks.figures import load, table
from tests.faults.table import FAULTS
from tests.troubles import TROUBLES

README = Path(__file__).parent.parent / "README.md"
PRESETS = Path(__file__).parent.parent / "fusion_graph" / "presets.toml"
FIGURES = Path(__file__).parent / "benchmarks" / "figures.json"
FAULT_GROUPS = {
    "seat": "One seat",
    "tool": "A seat's tools",
    "panel": "The whole panel",
    "judge": "The judge",
    "writer": "The writer",
    "store": "The database, the process, the clock",
}


def drawing() -> str:
    return build_fusion_graph().compile().get_graph(xray=True).draw_mermaid().strip()


def settings_table() -> str:
    rows = ["| setting | default | what it does |", "|---|---|---|"]
    for name, field in FusionSettings.model_fields.items():
        default: Any = field.get_default(call_default_factory=True)
        shown = "" if default in (None, "", []) else f"`{', '.join(default) if isinstance(default, list) else default}`"
        rows.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(rows)


def parts_table(kind: type[BaseModel], whose: str) -> str:
    rows = [f"| `{name}` | {field.description} |" for name, field in kind.model_fields.items()]
    return "\n".join([f"| {whose} | what it does |", "|---|---|", *rows])


def presets_table() -> str:
    """Return the published rosters; those of the benchmark are told elsewhere."""
    rows = ["| preset | what it is | panel | judge | writer |", "|---|---|---|---|---|"]
    for name, preset in tomllib.loads(PRESETS.read_text(encoding="utf-8")).items():
        if not name.startswith("draco-"):
            panel, judge = ", ".join(f"`{model}`" for model in preset["panel"]), preset["judge"]
            writer = preset.get("writer", judge)
            rows.append(f"| `{name}` | {preset['description']} | {panel} | `{judge}` | `{writer}` |")
    return "\n".join(rows)


def troubles_table() -> str:
    rows = [f"| `{trouble.said}` | {trouble.then} |" for trouble in TROUBLES]
    return "\n".join(["| it says | then |", "|---|---|", *rows])


def faults_table() -> str:
    """Return what the fault table tells readers; some rows are told by another."""
    rows = ["| what happens | then |", "|---|---|"]
    for at, title in FAULT_GROUPS.items():
        told = [fault for fault in FAULTS if fault.at == at and fault.told]
        rows += [f"| **{title}** | |", *(f"| {fault.name} | {fault.told} |" for fault in told)]
    return "\n".join(rows)


def figures_table() -> str:
    return "\n".join(table([figure for figure in load(FIGURES) if figure.goal is not None]))


def replaced(text: str, start: str, end: str, new: str) -> str:
    before, rest = text.split(start, 1)
    _, after = rest.split(end, 1)
    return f"{before}{start}{new}{end}{after}"


def test_the_drawing_and_the_tables_are_those_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")

    true = replaced(text, "```mermaid\n", "```", drawing() + "\n")
    true = replaced(true, "from FusionSettings -->\n", "\n\nA seat is", settings_table())
    true = replaced(true, "from Seat -->\n", "\n\n## Tools", parts_table(Seat, "a seat's"))
    true = replaced(true, "from fusion_graph/presets.toml -->\n", "\n\n`~` is", presets_table())
    true = replaced(true, "from tests/troubles.py -->\n", "\n\nWhy an answer", troubles_table())
    true = replaced(true, "from PanelTool -->\n", "\n\nEach source of", parts_table(PanelTool, "a tool's"))
    true = replaced(true, "from tests/faults/table.py -->\n", "\n\n## When something", faults_table())
    true = replaced(true, "from tests/benchmarks/figures.json -->\n", "\n\n## Development", figures_table())

    if os.environ.get("UPDATE_README"):
        README.write_text(true, encoding="utf-8")
    assert text == true, "run UPDATE_README=1 uv run pytest tests/test_readme.py"


def blocks() -> list[tuple[str, str]]:
    """Return each Python block with the output shown right after it."""
    text = README.read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize(("code", "shown"), blocks())
def test_a_python_block_prints_what_is_shown_under_it(code: str, shown: str) -> None:
    printed = io.StringIO()

    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 -- the point of the test

    assert printed.getvalue() == shown


def test_every_link_leads_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link.startswith("#") and link[1:] not in anchors] == []
    assert [link for link in links if not link.startswith("#") and not (README.parent / link).exists()] == []
    assert len(links) > 10


def test_every_python_block_is_run() -> None:
    assert len(blocks()) == README.read_text(encoding="utf-8").count("```python")


def test_every_flag_and_subcommand_in_readme_exists() -> None:
    from typer.testing import CliRunner  # noqa: PLC0415 -- only this test needs it

    from fusion_graph.cli import app  # noqa: PLC0415

    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^uv run fusion (.*)$", text, re.MULTILINE)

    for command in commands:
        path = list(takewhile(re.compile("[a-z]+$").match, shlex.split(command, comments=True)))
        helped = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200"})
        assert helped.exit_code == 0, command
        flags = re.findall(r"--[a-z-]+", command)
        assert all(flag in helped.output for flag in flags), command
    assert len(commands) > 5
