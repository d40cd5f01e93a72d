"""bash: the tool around a shell."""

import asyncio
import json
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, model_validator

from fusion_graph.characters import fair_shares
from fusion_graph.tools.bash.outcome import Outcome, Shell, ShellError
from fusion_graph.tools.bash.workspace import INSIDE, Workspaces, files_in
from fusion_graph.tools.failures import refused

NAME = "bash"
MAX_SECONDS = 55.0  # of one call: a little less than any tool may take
_SECONDS = 30.0
_MAX_OUTPUT = 30_000  # characters of one call
_MAX_COMMANDS = 16
_MAX_COMMAND = 1_000_000  # characters
_FRAME = 300  # characters of a result beside its output
_STREAMS = ("stdout", "stderr")
_MAX_FILES = 100  # that are listed
_DESCRIPTION = f"""Run a bash command in a sandbox without a network. Files in {INSIDE}, its folder, are kept between \
calls, and so is the current directory; variables, functions and background jobs are not. Use it to compute, to count, \
to check figures; there is no way to the web in it."""


class BashArguments(BaseModel):
    """What a model may say to bash: one command, or several that are run one after the other."""

    command: str = Field("", max_length=_MAX_COMMAND, description="what to run; may be a script of many lines")
    commands: list[str] = Field(
        [], max_length=_MAX_COMMANDS, description="several to run in this order, instead of `command`"
    )
    timeout_ms: int = Field(
        int(_SECONDS * 1000), ge=1, description=f"time for each command, at most {MAX_SECONDS:.0f} s for all of them"
    )
    max_output_length: int = Field(_MAX_OUTPUT, ge=1, description="characters of output that are wanted")

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> "BashArguments":
        given = [*([self.command] if self.command.strip() else []), *self.commands]
        if not given or (self.command.strip() and self.commands):
            raise ValueError("give either `command` or `commands`")
        if any("\0" in each or len(each) > _MAX_COMMAND for each in given):
            raise ValueError(f"a command has at most {_MAX_COMMAND:,} characters, and no NUL among them")
        return self


def make_bash_tool(shell: Shell, workspaces: Workspaces, place: str) -> BaseTool:
    """Return the tool of one seat; the folder `place` is made with its first command."""

    async def bash(
        command: str = "",
        commands: list[str] | None = None,
        timeout_ms: int = int(_SECONDS * 1000),
        max_output_length: int = _MAX_OUTPUT,
    ) -> tuple[str, dict[str, Any]]:
        try:
            folder = await asyncio.to_thread(workspaces.open, place)
            told = await _run_all(shell, folder, commands or [command], timeout_ms / 1000)
            files = await asyncio.to_thread(files_in, folder, _MAX_FILES)
        except ShellError as error:
            raise refused(f"The command could not be run: {error}") from error
        except OSError as error:
            raise refused(f"The workspace cannot be used: {error.strerror or error}. Answer without it.") from error
        text = _fitted(told, min(max_output_length, _MAX_OUTPUT), is_list=bool(commands))
        return text, {"files": files, "sources": []}

    return StructuredTool.from_function(
        coroutine=bash,
        name=NAME,
        description=_DESCRIPTION,
        args_schema=BashArguments,
        response_format="content_and_artifact",
    )


async def _run_all(shell: Shell, folder: Path, commands: list[str], seconds: float) -> list[dict[str, Any]]:
    """Run commands one after the other; those there is no more time for are told as not run."""
    told: list[dict[str, Any]] = []
    left = MAX_SECONDS
    for command in commands:
        if left <= 0:
            told.append({"stdout": "", "stderr": "not run: the time for this call is over", "exitCode": None})
            continue
        outcome = await shell.run(command, folder, min(seconds, left))
        left -= outcome.duration_seconds
        told.append(_told(outcome))
    return told


def _told(outcome: Outcome) -> dict[str, Any]:
    killed = {"killed": outcome.killed} if outcome.killed else {}
    return {
        "stdout": outcome.stdout,
        "stderr": outcome.stderr,
        "exitCode": outcome.exit_code,
        "truncated": outcome.truncated,
        "timedOut": outcome.timed_out,
        "durationMs": round(outcome.duration_seconds * 1000),
        **killed,
    }


def _fitted(told: list[dict[str, Any]], most: int, *, is_list: bool) -> str:
    """Return the results as JSON with about `most` characters of output; what is too long loses its middle."""
    room = most
    while True:
        shares = iter(fair_shares([len(entry[stream]) for entry in told for stream in _STREAMS], room))
        fitted = [{**entry, **_cut_streams(entry, next(shares), next(shares))} for entry in told]
        text = json.dumps({"results": fitted} if is_list else fitted[0], ensure_ascii=False)
        if len(text) <= most + _FRAME * len(told) or not room:
            return text
        room = room * 3 // 4  # JSON needs two characters for some


def _cut_streams(entry: dict[str, Any], *shares: int) -> dict[str, Any]:
    texts = {stream: _cut(entry[stream], share) for stream, share in zip(_STREAMS, shares, strict=True)}
    was_cut = any(texts[stream] != entry[stream] for stream in _STREAMS)
    return texts | ({"truncated": True} if was_cut else {})


def _cut(text: str, share: int) -> str:
    if len(text) <= share:
        return text
    begin, end = share - share // 2, share // 2
    return f"{text[:begin]}\n[{len(text) - share} characters left out]\n{text[len(text) - end :]}"
