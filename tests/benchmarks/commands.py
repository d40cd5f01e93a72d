"""What a command of the bash tool takes, beside the same command as a plain process."""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from fusion_graph.tools.bash.choice import Shells
from fusion_graph.tools.bash.tool import make_bash_tool
from tests.benchmarks.figures import Figure

ROUNDS = 40
COMMAND = "echo x > file && cat file"


def measured() -> list[Figure]:
    """Return milliseconds per command, and how often that is the plain process's, of each shell there is."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        plain = _milliseconds(
            lambda: subprocess.run(["bash", "-c", COMMAND], cwd=folder, check=True, capture_output=True)
        )
        shells = [figure for name in ("bubblewrap", "bashkit") for figure in _of_shell(name, folder, plain)]
        return [Figure("a command in plain bash", plain, "ms"), *shells]


def _of_shell(name: str, folder: str, plain: float) -> list[Figure]:
    shells = Shells({"FUSION_HOME": folder, "FUSION_BASH": name})
    began = time.perf_counter()
    chosen = shells.chosen()
    tried = (time.perf_counter() - began) * 1000
    if chosen.shell is None:  # it is not here
        return []
    tool = make_bash_tool(chosen.shell, shells.workspaces, "run-benchmark/1")
    with asyncio.Runner() as runner:
        took = _milliseconds(lambda: runner.run(tool.ainvoke({"command": COMMAND})))
    return [
        Figure(f"a command in {name}", took, "ms"),
        Figure(f"a command in {name} to one in plain bash", took / plain, ""),
        Figure(f"{name} tried out, once in a process", tried, "ms"),
    ]


def _milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of some rounds, the first of them left out."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times[1:])
