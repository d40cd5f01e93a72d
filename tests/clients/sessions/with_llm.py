"""The command `llm`."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any


class CommandError(Exception):
    """The command failed, with these words."""


class Client:
    def __init__(self, url: str, key: str, model: str, **more: bool) -> None:
        home = Path(mkdtemp())
        entry = {"model_id": "ours", "model_name": model, "api_base": url, "api_key_name": "ours"}
        (home / "extra-openai-models.yaml").write_text(json.dumps([entry | {"supports_tools": True} | more]))  # is YAML
        (home / "keys.json").write_text(json.dumps({"ours": key}))
        self._environ = os.environ | {"LLM_USER_PATH": str(home)}

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "llm", "prompt", "--model", "ours", *arguments]
        pipes: Any = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, env=self._environ, text=True, **pipes)

    def _run(self, *arguments: str) -> str:
        process = self._start(*arguments)
        said, complaint = process.communicate()
        if process.returncode:
            raise CommandError(complaint)
        return said

    def _told(self, *arguments: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._run("--json", *arguments))
        return found

    def ask(self, question: str) -> dict[str, Any]:
        (told,) = self._told("--no-stream", question)
        return {"text": told["response"], "tokens": _tokens(told)}

    def stream(self, question: str) -> list[str]:
        return [self._run(question).removesuffix("\n")]

    def use_tools(self, question: str, tools: list[Any]) -> dict[str, Any]:
        functions = "\n".join(_source(**tool["function"]) for tool in tools)
        told = self._told("--functions", functions, question)
        called = [[call["name"], call["arguments"]] for each in told for call in each["tool_calls"]]
        return {"called": called, "text": told[-1]["response"], "tokens": sum(map(_tokens, told))}

    def talk(self, first: str, *others: str) -> list[str]:
        told = [self._told(first), *(self._told("--continue", question) for question in others)]
        return [each[-1]["response"] for each in told]

    def leave(self, question: str) -> str:
        with self._start(question) as process:
            assert process.stdout is not None
            heard = os.read(process.stdout.fileno(), 1000).decode()
            process.send_signal(signal.SIGINT)
        return heard


def _tokens(told: dict[str, Any]) -> int:
    return int(told["input_tokens"] + told["output_tokens"])


def _source(name: str, description: str, parameters: dict[str, Any]) -> str:
    arguments = ", ".join(f"{argument}: str" for argument in parameters["properties"])
    return f'def {name}({arguments}) -> str:\n    "{description}"\n    return "{name}: done"\n'
