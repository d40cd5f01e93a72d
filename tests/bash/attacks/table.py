"""Every attack. To add one, add a row: what it does, the guard that stops it, and the script."""

from tests.bash.attacks import leftovers, outside, scenes, taking
from tests.bash.attacks.calls import TRIES
from tests.bash.attacks.case import Case

KERNEL = [
    Case(name=f"the kernel is asked for {each.name}", guard=each.guard, command=each.command, control=each.hidden)
    for each in TRIES
    if each.here is not None
]
CASES = [*outside.CASES, *taking.CASES, *leftovers.CASES, *KERNEL, *scenes.CASES]
