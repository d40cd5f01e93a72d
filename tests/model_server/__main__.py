"""`python -m tests.model_server --port N --log FILE.jsonl`: the server in a process of its own.

Prints its URL on the first line of stdout when it listens.
"""

import argparse
import importlib
import sys
from pathlib import Path

from tests.model_server.server import ModelServer
from tests.model_server.wire import Behaviour


def _behaviour(name: str) -> Behaviour:
    module, _, attribute = name.partition(":")
    found: Behaviour = getattr(importlib.import_module(module), attribute)
    return found


def _pairs(values: list[str]) -> dict[str, str]:
    return dict(value.split("=", 1) for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, default=None, help="append one JSON line per change of a request")
    parser.add_argument("--behaviour", type=_behaviour, default="tests.model_server.roles:everyone")
    parser.add_argument("--family", default="openai")
    parser.add_argument("--families", nargs="*", default=[], metavar="GLOB=FAMILY")
    parser.add_argument("--context-tokens", type=int, default=None)
    parser.add_argument("--max-output-tokens", type=int, default=None)
    given = parser.parse_args()
    server = ModelServer(
        given.behaviour,
        family=given.family,
        families=_pairs(given.families),
        context_tokens=given.context_tokens,
        max_output_tokens=given.max_output_tokens,
        port=given.port,
        log_file=given.log,
    )
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main()
