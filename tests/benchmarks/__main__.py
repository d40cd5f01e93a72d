"""What things cost, measured side by side in one run: `uv run python -m tests.benchmarks [NAME ...]`."""

import sys
from collections.abc import Callable

from tests.benchmarks import commands

BENCHMARKS: dict[str, Callable[[], list[str]]] = {"bash": commands.measured}


def main(names: list[str]) -> int:
    """Print the figures of the benchmarks with these names; of all, if there are none."""
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}", file=sys.stderr)  # noqa: T201 - a program
        return 2
    for name in names or BENCHMARKS:
        print(f"{name}:", *BENCHMARKS[name](), sep="\n  ")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
