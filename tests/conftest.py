import os
from pathlib import Path

import pytest

# Before anything imports LangGraph: checkpoints load plain data only.
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["LANGSMITH_TRACING"] = "false"

_OURS = ("FUSION_", "OPENAI_", "OPENROUTER_", "ANTHROPIC_", "GOOGLE_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep the machine's settings, keys and runs out of every test."""
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FUSION_HOME", str(home))
    monkeypatch.setenv("FUSION_SEARCH", "none")
    return home
