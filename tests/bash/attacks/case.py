"""One attack on the sandbox: what is run, which guard is to stop it, and how its success is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bash.attacks.stage import World

HARM = "HARM"  # what an attack says when it works
ANYHOW = "anyhow"
TOO_LONG = "it took longer than"


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one run of a case, before anything of it was taken away. `killed` is "" where no sandbox was."""

    world: "World"
    folder: Path
    stdout: str
    stderr: str
    killed: str = ""


def says_harm(seen: Seen) -> str:
    """Return the lines that tell of success."""
    return " ".join(line for line in seen.stdout.splitlines() if line.startswith(HARM))


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """An attack that `guard` stops.

    `command` is a script for bash; words such as @secret@ stand for what the stage has. `harm` returns what it did, "" if
    nothing. The sandbox goes on to the end of the script, except where it ends the command for the reason `killed`
    (ANYHOW: it may do either). `limits` and `seconds` are what is allowed. A case with a `scene` is played by that.

    The same command must do harm without a sandbox: `control` says why it does not where it cannot. What then shows that
    the sandbox works is that the script goes on to its end.
    """

    name: str
    guard: str
    command: str = ""
    harm: Callable[[Seen], str] = says_harm
    killed: str = ""
    limits: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 15.0
    scene: "Callable[[World], str] | None" = None
    control: str = ""

    def __str__(self) -> str:
        return self.name
