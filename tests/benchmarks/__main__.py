"""What things cost, measured side by side in one run: `uv run python -m tests.benchmarks [NAME ...] [--json FILE]`."""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import commands, overhead, serving, storage, waiting
from tests.benchmarks.figures import Figure, table

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "runs": overhead.measured,
    "server": serving.measured,
    "storage": storage.measured,
    "quorum": waiting.measured,
    "start": waiting.started,
    "bash": commands.measured,
}


def main(arguments: list[str]) -> int:
    """Print the figures of the benchmarks with these names; of all, if there are none."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file as well")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}")
    figures: list[Figure] = []
    for name in given.names or BENCHMARKS:
        found = BENCHMARKS[name]()
        figures += found
        print(f"\n{name}", *table(found), sep="\n", flush=True)  # noqa: T201 - a program
    if given.json:
        machine = {"python": platform.python_version(), "machine": platform.machine()}
        told = {**machine, "figures": [figure.as_json() for figure in figures]}
        given.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
