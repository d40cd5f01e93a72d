import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fusion_graph.tools.bash.choice import Shells
from tests.system import lacking, required


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A FUSION_HOME that every user can enter, as one must who runs commands for root."""
    folder = Path(tempfile.mkdtemp(prefix="fusion-", dir="/var/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("FUSION_HOME", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def sandbox(home: Path) -> Shells:
    """The real sandbox of this machine."""
    required("bwrap", "bubblewrap")
    shells = Shells({"FUSION_HOME": str(home), "FUSION_BASH": "bubblewrap"})
    if shells.chosen().shell is None:
        lacking(shells.chosen().missing)
    return shells
