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

ROUNDS = 40
COMMAND = "echo x > file && cat file"


def measured() -> list[str]:
    """Return a line for each shell there is: milliseconds per command, and how often that is the plain process's."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        plain = _milliseconds(
            lambda: subprocess.run(["bash", "-c", COMMAND], cwd=folder, check=True, capture_output=True)
        )
        return [f"plain bash   {plain:6.1f} ms", *(_line(name, folder, plain) for name in ("bubblewrap", "bashkit"))]


def _line(name: str, folder: str, plain: float) -> str:
    shells = Shells({"FUSION_HOME": folder, "FUSION_BASH": name})
    began = time.perf_counter()
    chosen = shells.chosen()
    tried = (time.perf_counter() - began) * 1000
    if chosen.shell is None:
        return f"{name:<12} not here: {chosen.why}"
    tool = make_bash_tool(chosen.shell, shells.workspaces, "run-benchmark/1")
    with asyncio.Runner() as runner:
        took = _milliseconds(lambda: runner.run(tool.ainvoke({"command": COMMAND})))
    return (
        f"{name:<12} {took:6.1f} ms per command ({took / plain:.1f} times plain bash), tried out once in {tried:.0f} ms"
    )


def _milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of some rounds, the first of them left out."""
    times: list[float] = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times[1:])
