"""The `fusion` command in forked processes with an environment of its own: what tests of the command line share."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.corpus import write_corpus
from tests.forked import Forked

# What says how to draw, what to complete, or belongs to the machine the tests run on.
_OTHERS = ("FUSION_", "OPEN", "COLUMNS", "LINES", "CI", "NO_COLOR", "FORCE_COLOR", "TTY_", "COLORTERM", "_")


def own_environ(folder: Path, base_url: str, **more: str) -> dict[str, str]:
    """Return an environment with a home and pages in `folder`, and with models at `base_url`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    own = {
        "OPENAI_BASE_URL": base_url,
        "FUSION_HOME": str(folder / "home"),
        "FUSION_SEARCH": f"local:{write_corpus(folder / 'pages')}",
    }
    return kept | own | more


def wait_until(condition: Callable[[], bool], within: float = 30.0) -> None:
    """Wait until something has happened in another process."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


@dataclass
class Done:
    """What a finished process left."""

    returncode: int
    stdout: str
    stderr: str


class Running:
    """A process of the `fusion` command under way; its output so far is in `stdout` and `stderr`."""

    def __init__(
        self, forked: Forked, folder: Path, arguments: Sequence[str], environ: Mapping[str, str], stdin: str
    ) -> None:
        self._forked = forked
        self._files = [folder / name for name in ("stdin", "stdout", "stderr")]
        for path, text in zip(self._files, (stdin, "", ""), strict=True):
            path.write_text(text)
        source = self._files[0] if stdin else Path("/dev/null")
        self._pid = forked.spawn(arguments, environ, source, *self._files[1:])

    @property
    def stdout(self) -> str:
        return self._files[1].read_text()

    @property
    def stderr(self) -> str:
        return self._files[2].read_text()

    def send_signal(self, number: int) -> None:
        os.kill(self._pid, number)

    def wait(self) -> Done:
        return Done(self._forked.wait(self._pid), self.stdout, self.stderr)


class Cli:
    """The `fusion` command. Call it, or `start` it; `json` returns what it prints under --json."""

    def __init__(self, forked: Forked, folder: Path, environ: Mapping[str, str]) -> None:
        self.forked, self.folder, self.environ = forked, folder, dict(environ)
        self.home = Path(self.environ["FUSION_HOME"])
        self._started = 0

    def __call__(self, *arguments: str, stdin: str = "", **environ: str) -> Done:
        return self.start(*arguments, stdin=stdin, **environ).wait()

    def start(self, *arguments: str, stdin: str = "", **environ: str) -> Running:
        self._started += 1
        own = self.folder / f"process {self._started}"
        own.mkdir()
        return Running(self.forked, own, arguments, {**self.environ, **environ}, stdin)

    def json(self, *arguments: str, **environ: str) -> Any:
        done = self(*arguments, "--json", **environ)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def run_id(self, *arguments: str) -> str:
        """Return the id of the run that a command makes."""
        return str(self.json(*arguments)["run_id"])
