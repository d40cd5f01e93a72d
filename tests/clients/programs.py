"""Clients as programs, each with its packages in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.clients.table import Known
from tests.system import lacking, required

_SESSIONS = Path(__file__).parent / "sessions"
_ROOT = Path(__file__).parents[2]
_SECONDS = 300  # to fetch packages and play
# What says which server to ask, or belongs to another client.
_OTHERS = (
    "FUSION_",
    "OPENAI_",
    "OPENROUTER_",
    "LANGCHAIN_",
    "LANGSMITH_",
    "LITELLM_",
    "LLM_",
    "PYTHON",
    "COV",
    "NODE_",
)


def play(client: Known, folder: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Return what a client saw in a session."""
    plan = {"module": client.module, **plan}
    command, place = (_node(client, folder), folder) if client.runs_on == "node" else (_python(client), _ROOT)
    done = _run([*command, json.dumps(plan)], place, TMPDIR=str(folder))
    saw: dict[str, Any] = json.loads(done.splitlines()[-1])
    return saw


def run_tool(package: str, *command: str, folder: Path) -> str:
    """Return what a program of a Python package prints. Fails with all it says if it ends with another code than 0."""
    return _run([*_with(package), *command], folder, TMPDIR=str(folder))


def _python(client: Known) -> list[str]:
    return [*_with(*client.packages), "python", "-m", "tests.clients.sessions.play"]


def _with(*packages: str) -> list[str]:
    uv = shutil.which("uv") or lacking("uv is not here: pip install uv")
    wanted = [word for package in packages for word in ("--with", package)]
    return [uv, "run", "--quiet", "--no-project", "--isolated", "--python", sys.executable, *wanted]


def _node(client: Known, folder: Path) -> list[str]:
    node, npm = required("node", "nodejs"), required("npm", "npm")
    for script in _SESSIONS.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "package.json").write_text("{}")
    _run([npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *client.packages], folder)
    return [node, "play.mjs"]


def _run(command: Sequence[str], folder: Path, **more: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_PROXY": "127.0.0.1"} | more
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    assert done.returncode == 0, f"{command[:3]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
