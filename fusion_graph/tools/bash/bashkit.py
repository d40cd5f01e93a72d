"""Commands without a process: bashkit, a shell written in Rust with files in memory, for machines without bubblewrap.

It is close to bash and GNU's tools, not the same. Files of the workspace are read before a command and written after it.
"""

import importlib.util
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusion_graph.tools.bash.outcome import MIB, TIMED_OUT, Capture, Limits, Outcome, ShellError
from fusion_graph.tools.bash.threads import in_thread
from fusion_graph.tools.bash.workspace import CWD_FILE, INSIDE, MAX_DEPTH, Workspaces

INSTALL = "pip install 'fusion-graph[bashkit]'"
_LIMITED = "resource limit exceeded"
_COMMANDS = 100_000  # of one call, and the loops in it


def is_installed() -> bool:
    """Say whether the package is there, without importing it."""
    return importlib.util.find_spec("bashkit") is not None


@dataclass(frozen=True, slots=True)
class Bashkit:
    """Commands in memory."""

    workspaces: Workspaces
    limits: Limits = field(default_factory=Limits)

    async def run(self, command: str, workspace: Path, seconds: float) -> Outcome:
        """Run a command. See `Shell`."""
        from bashkit import Bash  # noqa: PLC0415 - an extra

        bash = Bash(
            username="user",
            hostname="sandbox",
            cwd=INSIDE,
            max_commands=_COMMANDS,
            max_loop_iterations=_COMMANDS,
            max_memory=self.limits.scratch_bytes,
            timeout_seconds=seconds,
        )
        return await in_thread(lambda: self._run(bash, command, workspace), bash.cancel)

    def _run(self, bash: Any, command: str, workspace: Path) -> Outcome:
        out, err = Capture(), Capture()

        def listen(stdout: str, stderr: str) -> None:
            out.add(stdout.encode(errors="replace"))
            err.add(stderr.encode(errors="replace"))
            if out.total + err.total > self.limits.output_bytes:
                bash.cancel()

        with self.workspaces.lock(workspace):
            started = time.monotonic()
            _load(bash.fs(), workspace)
            entered = f"cd {_quoted(_cwd(bash.fs(), workspace))}\n"
            result = bash.execute_sync(entered + command, on_output=listen)
            seconds = time.monotonic() - started
            _save(bash.fs(), workspace, self.limits)
            (workspace / CWD_FILE).write_text(bash.shell_state().cwd, encoding="utf-8", errors="replace")
        return self._outcome(result, seconds, out, err)

    def _outcome(self, result: Any, seconds: float, out: Capture, err: Capture) -> Outcome:
        error = str(result.error or "")
        timed_out = "execution timeout" in error
        loud = out.total + err.total > self.limits.output_bytes
        killed = f"it wrote more than {self.limits.output_bytes // MIB} MiB of output" if loud else ""
        killed = killed or (error if _LIMITED in error else "")
        if error and error not in err.text():
            err.add(error.encode())
        return Outcome(
            stdout=out.text(),
            stderr=err.text(),
            exit_code=TIMED_OUT if timed_out else result.exit_code or int(bool(error)),
            duration_seconds=seconds,
            truncated=bool(out.cut or err.cut or result.stdout_truncated or result.stderr_truncated),
            timed_out=timed_out,
            killed=killed,
        )


def _load(files: Any, workspace: Path) -> None:
    files.mkdir(INSIDE, recursive=True)
    for path in _paths(workspace):
        inside = f"{INSIDE}/{path.relative_to(workspace).as_posix()}"
        if path.is_dir():
            files.mkdir(inside, recursive=True)
        else:
            files.write_file(inside, path.read_bytes())


def _save(files: Any, workspace: Path, limits: Limits) -> None:
    """Make the workspace what the shell's folder is now: files and folders, no links.

    Raises:
        ShellError: it holds more than it may; the workspace stays as it was.
    """
    kept: dict[str, bytes | None] = dict(_listed(files, INSIDE, ""))
    size = sum(len(data) for data in kept.values() if data is not None)
    if len(kept) > limits.workspace_files or size > limits.workspace_bytes:
        raise ShellError("its files are more than the workspace may hold; they are as they were before this command")
    _remove_others(kept, workspace)
    for name, data in kept.items():
        path = workspace / name
        if data is None:
            path.mkdir(exist_ok=True)
        elif not path.is_file() or path.read_bytes() != data:
            path.write_bytes(data)


def _remove_others(kept: dict[str, bytes | None], workspace: Path) -> None:
    for path in reversed(list(_paths(workspace, links=True))):
        name, is_folder = path.relative_to(workspace).as_posix(), path.is_dir() and not path.is_symlink()
        if path.is_symlink() or name not in kept or is_folder != (kept[name] is None):
            path.rmdir() if is_folder else path.unlink()


def _paths(workspace: Path, *, links: bool = False) -> Iterator[Path]:
    """Yield what is in a workspace, folders before what is in them."""
    for where, folders, names in os.walk(workspace):
        for name in (*folders, *names):
            path = Path(where, name)
            if name != CWD_FILE and (links or not path.is_symlink()):
                yield path


def _listed(files: Any, folder: str, above: str, depth: int = 1) -> Iterator[tuple[str, bytes | None]]:
    """Yield paths in a folder of the shell's and what is in them, None for a folder; upper ones first."""
    for entry in files.read_dir(folder):
        name, kind = str(entry["name"]), entry["metadata"]["file_type"]
        plain = name not in {"", ".", ".."} and not set(name) & set("/\\\0:")
        if plain and kind == "directory" and depth < MAX_DEPTH:
            yield above + name, None
            yield from _listed(files, f"{folder}/{name}", f"{above}{name}/", depth + 1)
        elif plain and kind == "file":
            yield above + name, files.read_file(f"{folder}/{name}")


def _cwd(files: Any, workspace: Path) -> str:
    with suppress(OSError):
        kept = (workspace / CWD_FILE).read_text(encoding="utf-8", errors="replace")
        if kept.startswith("/") and files.exists(kept):
            return kept
    return INSIDE


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"
