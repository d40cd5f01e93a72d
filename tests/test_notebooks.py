"""Every notebook runs from top to bottom and shows what it is stored with.

`FUSION_UPDATE_SNAPSHOTS=1` stores what it shows now.
"""

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

UPDATE = os.environ.get("FUSION_UPDATE_SNAPSHOTS") == "1"  # store what they show now instead of comparing


def shown(notebook: Any) -> list[str]:
    """The text that each code cell has printed."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return ["".join(output.get("text", output.get("name", "")) for output in cell.outputs) for cell in cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the kernel's client
def test_a_notebook_shows_what_it_is_stored_with(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_HOME", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    before = shown(notebook)

    NotebookClient(notebook, timeout=60, kernel_name="python3", record_timing=False).execute()

    if UPDATE:
        nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    else:
        assert shown(notebook) == before


def test_there_is_a_notebook_for_the_first_run() -> None:
    assert "01_first_run" in [path.stem for path in NOTEBOOKS]
