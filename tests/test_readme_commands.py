"""What README tells to type, typed: each command on this machine, with models on the loopback."""

import re
import shlex
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from fusion_graph.cli import app
from tests.commands import Cli, Running, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer
from tests.ports import answers, free_port
from tests.troubles import TROUBLES, Trouble

README = Path(__file__).parent.parent / "README.md"
NOT_TYPED = {  # what a test does not type, by its beginning, and where it is seen to work instead
    "pip install uv": "sets the machine up",
    "pip install aegra-cli": "tests/machines",
    "aegra serve": "tests/machines",
    "claude mcp add": "tests/server/mcp, with a client of its own",
    "uv run langgraph dev": "tests/langgraph_server",
    "uv run fusion draco run --config published-table": "fetches DRACO, and costs thousands of dollars",
    "uv run fusion draco run --dataset mini": "tests/evaluation/test_demo_table.py",
    "uv run pytest": "is this",
    "uv run ruff": ".ci/run",
    "uv run mypy": ".ci/run",
    "uv run lint-imports": ".ci/run",
    "uv run python -m tests.benchmarks": ".ci/full",
    "bash .ci/full": "is itself",
}
SERVERS = {"serve", "chat", "mcp"}


def blocks() -> list[list[str]]:
    """Return the commands of each block of shell."""
    text = README.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return [[line for line in block.splitlines() if line.strip()] for block in found]


def typed(block: list[str]) -> list[list[str]]:
    """Return the words of the commands that a test types."""
    return [shlex.split(line, comments=True) for line in block if not line.startswith(tuple(NOT_TYPED))]


class Reader:
    """Somebody who types what README says, with files, runs and models of their own."""

    def __init__(self, cli: Cli, server: ModelServer, folder: Path) -> None:
        self._cli, self._folder = cli, folder
        self._meant = {
            "DIR": cli.environ["FUSION_SEARCH"].removeprefix("local:"),
            "questions.txt": self._written("questions.txt", "When did the bridge open?\nWho built it?\n"),
            "http://127.0.0.1:8080/v1": server.url,
            "postgresql://fusion@db.internal/fusion": str(folder / "shared.db"),
            "mine": str(folder / "mine"),
            "/etc/fusion/keys": self._written("keys", "a-key-of-sixteen-characters\n"),
        }
        self._runs: list[str] = []
        self._serving: Running | None = None
        self._port = free_port()

    def types(self, words: list[str]) -> None:
        """Type a command, and see that it does what it should."""
        if words[0] == "export":
            given = (word.split("=", 1) for word in words[1:])
            self._cli.environ |= {name: self._meant.get(value, value) for name, value in given}
        elif words[0] == "curl":
            self._posts(words[2], words[words.index("-d") + 1])
        elif words[:3] == ["uv", "run", "fusion"]:
            arguments = [self._own(word) for word in words[3:]]
            self._starts(arguments) if arguments[0] in SERVERS else self._waits_for(arguments)
        else:
            pytest.fail(f"no test types {' '.join(words)}")

    def leaves(self) -> None:
        """Stop the server that was started."""
        if self._serving:
            self._serving.send_signal(signal.SIGTERM)
            self._serving.wait()

    def _written(self, name: str, text: str) -> str:
        (self._folder / name).write_text(text)
        return str(self._folder / name)

    def _own(self, word: str) -> str:
        if word in {"RUN", "OTHER"}:
            return self._run(("RUN", "OTHER").index(word))
        return self._study() if word == "study" else self._meant.get(word, word)

    def _study(self) -> str:
        """Evaluate something, and return the folder."""
        folder = str(self._folder / "study")
        self._waits_for(
            ["draco", "run", "--dataset", "mini", "--config", "demo-table", "--sample", "1", "--out", folder]
        )
        return folder

    def _run(self, number: int) -> str:
        while len(self._runs) <= number:
            panel = ("--panel", "openai:one,openai:two", "--judge", "openai:three")
            self._runs.append(self._cli.run_id("ask", f"Question {len(self._runs)}?", *panel))
        return self._runs[number]

    def _waits_for(self, arguments: list[str]) -> None:
        done = self._cli(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)

    def _starts(self, arguments: list[str]) -> None:
        self._serving = self._cli.start(*arguments, "--port", str(self._port))
        wait_until(lambda: answers(self._port))

    def _posts(self, url: str, body: str) -> None:
        where = url.replace("8765", str(self._port))
        told = httpx.post(where, content=body, headers={"Content-Type": "application/json"}, timeout=60)
        assert told.json()["choices"][0]["message"]["content"].startswith("Offline demo")


def types_all(commands: list[list[str]], forked: Forked, server: ModelServer, folder: Path) -> None:
    """Type commands one after the other, in one place."""
    environ = own_environ(
        folder, server.url, OPENROUTER_BASE_URL=server.url, OPENROUTER_API_KEY="a-key", BROWSER="true"
    )
    reader = Reader(Cli(forked, folder, environ), server, folder)
    try:
        for words in commands:
            reader.types(words)
    finally:
        reader.leaves()


@pytest.mark.parametrize("block", [block for block in blocks() if typed(block)], ids=lambda block: block[-1][:60])
def test_what_readme_tells_to_type_works(block: list[str], forked: Forked, server: ModelServer, tmp_path: Path) -> None:
    types_all(typed(block), forked, server, tmp_path)


def test_nothing_is_left_out_that_readme_does_not_tell_to_type() -> None:
    said = [line for block in blocks() for line in block]

    assert [begin for begin in NOT_TYPED if not any(line.startswith(begin) for line in said)] == []


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.said)
def test_a_trouble_is_told_as_readme_tells_it(
    trouble: Trouble, forked: Forked, server: ModelServer, tmp_path: Path
) -> None:
    cli = Cli(forked, tmp_path, own_environ(tmp_path, server.url, **trouble.environ))

    done = cli(*trouble.arguments)

    assert trouble.said.replace("...", "").strip(" ()") in done.stderr.replace("\n", " ")


def examples() -> list[str]:
    """Return the example in the help of each command."""
    return _examples(get_command(app), "fusion")


def _examples(command: Any, path: str) -> list[str]:
    if isinstance(command, TyperGroup):
        return [example for name, inner in command.commands.items() for example in _examples(inner, f"{path} {name}")]
    found = re.search(r"Example\b[^:]*: (.*)", " ".join((command.help or "").split()))
    assert found, f"{path} --help shows no example"
    return [found[1]] if found[1].startswith("fusion ") else []  # the other is an agent's


@pytest.mark.parametrize("example", examples())
def test_the_example_in_a_commands_help_works(
    example: str, forked: Forked, server: ModelServer, tmp_path: Path
) -> None:
    types_all(typed([f"uv run {example}"]), forked, server, tmp_path)
