"""What goes out to the models, over HTTP."""

from pathlib import Path

import pytest

from tests.server.conftest import Serve
from tests.server.contract.asking import of_presets, plugin, result, roster, running_really


@pytest.mark.contract("1.61", "1.57")
def test_a_fusion_on_the_panel_of_another_asks_no_panel(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, (panel, judge) = serve(**of_presets()), roster("quality")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{inner.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    with running_really(tmp_path / "outer.db") as served:
        response = served.chat(**plugin(analysis_models=["openai:fusion"], model="openai:fusion"))

    assert response.json()["x_fusion"]["fused"] is True
    assert result(response)["responses"][0]["content"] == f"{judge} says 1."
    assert set(inner.asked()) == {judge} != set(panel)
