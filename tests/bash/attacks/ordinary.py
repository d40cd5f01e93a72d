"""Cases of the suite as an ordinary user, in a process that was root until it had imported everything.

`Ordinary` starts it; `problem` asks it for what is wrong with a case.
"""

import encodings.ascii
import encodings.idna
import json
import linecache
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.bash.attacks.stage import World, problem, works
from tests.bash.attacks.table import CASES

USER = 12345
_IMPORTED = (encodings.ascii, encodings.idna, linecache)  # else looked for when first needed, and out of reach then


class Ordinary:
    """The process, from the outside."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bash.attacks.ordinary"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._process.communicate(timeout=30)
        finally:
            self._process.kill()

    def problem(self, name: str) -> str:
        """Return what is wrong with a case; of "", why the sandbox does not work at all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(name) + "\n")
        self._process.stdin.flush()
        return str(json.loads(self._process.stdout.readline()))


def _serve() -> None:
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.chdir("/")
    world, cases = World(), {case.name: case for case in CASES}
    for line in sys.stdin:
        name = json.loads(line)
        sys.stdout.write(json.dumps(problem(cases[name], world) if name else works(world)) + "\n")
        sys.stdout.flush()
    world.close()


if __name__ == "__main__":
    _serve()
