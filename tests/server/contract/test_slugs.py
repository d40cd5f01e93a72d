"""Fusion under a model's name, and its presets."""

from typing import Any

import pytest

from tests.graphs import asked
from tests.server.conftest import Serve, Served
from tests.server.contract.asking import SEATS, message, of_presets, plugin, result, roster
from tests.server.talk import chunks


@pytest.mark.parametrize(
    "slug",
    [
        pytest.param("fusion", marks=pytest.mark.contract("1.1")),
        pytest.param("openrouter/fusion", marks=pytest.mark.contract("1.2")),
        pytest.param("fusion:plain", marks=pytest.mark.contract("1.56")),
        pytest.param("openrouter/fusion:plain", marks=pytest.mark.contract("1.56")),
    ],
)
def test_the_slug_asks_compares_and_answers(served: Served, slug: str) -> None:
    response = served.chat(model=slug)

    assert message(response)["content"] == "The answer is 1 [1]."
    assert [each["model"] for each in result(response)["responses"]] == SEATS
    assert result(response)["analysis"]["consensus"] == ["both agree"]
    assert sorted(served.asked()) == sorted([*SEATS, "judge", "judge"])


@pytest.mark.contract("1.56")
def test_plain_is_no_part_of_any_models_name(served: Served) -> None:
    response = served.chat(model="writer:plain", tool_choice="required")

    assert response.json()["model"] == "writer"
    assert message(response)["content"] == "The answer is 1, though one source says 2."


@pytest.mark.parametrize(
    ("slug", "preset"),
    [
        pytest.param("fusion/budget", "budget", marks=pytest.mark.contract("1.3")),
        pytest.param("openrouter/fusion/budget", "budget", marks=pytest.mark.contract("1.3")),
        pytest.param("fusion/general-budget", "budget", marks=pytest.mark.contract("1.3")),
        pytest.param("fusion/self", "self", marks=pytest.mark.contract("1.3")),
        pytest.param("openrouter/fusion-flash", "fast", marks=pytest.mark.contract("1.4")),
    ],
)
def test_a_slug_may_name_a_preset(serve: Serve, slug: str, preset: str) -> None:
    served, (panel, judge) = serve(**of_presets()), roster(preset)

    response = served.chat(model=slug, plugins=None)

    assert response.json()["model"] == judge
    assert [each["model"] for each in result(response)["responses"]] == panel
    assert set(served.asked()) == {*panel, judge}


@pytest.mark.contract("1.5")
@pytest.mark.parametrize("slug", ["fusion", "openrouter/fusion", "fusion:plain"])
def test_whole_and_streamed_the_writer_is_named(served: Served, slug: str) -> None:
    whole, parts = served.chat(model=slug).json(), chunks(served.chat(model=slug, stream=True))

    assert whole["model"] == "judge"
    assert {part["model"] for part in parts} == {"judge"}


@pytest.mark.contract("1.6")
@pytest.mark.parametrize("text", ["Hi!", "Thanks.", "What is 1 + 1?"])
def test_small_talk_too_is_deliberated_under_a_slug(served: Served, text: str) -> None:
    told = served.chat(text).json()

    assert told["x_fusion"]["fused"] is True
    assert set(SEATS) <= set(served.asked())


@pytest.mark.parametrize(
    ("fields", "preset"),
    [
        pytest.param({}, "quality", marks=pytest.mark.contract("1.42", "1.14")),
        pytest.param({"preset": "general-high"}, "quality", marks=pytest.mark.contract("1.42")),
        pytest.param({"preset": "general-budget"}, "budget", marks=pytest.mark.contract("1.43")),
        pytest.param({"preset": "general-fast"}, "fast", marks=pytest.mark.contract("1.44")),
    ],
)
@pytest.mark.parametrize("asks", [{}, {"model": "writer", "tool_choice": "required"}])
def test_the_plugin_may_name_a_preset(serve: Serve, fields: dict[str, Any], preset: str, asks: dict[str, Any]) -> None:
    served, (panel, judge) = serve(**of_presets()), roster(preset)

    response = served.chat(plugins=[{"id": "fusion", **fields}], **asks)

    assert response.json()["model"] == asks.get("model", judge)
    assert [each["model"] for each in result(response)["responses"]] == panel


@pytest.mark.contract("1.45")
@pytest.mark.parametrize("model", ["fusion", "fusion/fast"])
def test_fields_win_over_the_preset(serve: Serve, model: str) -> None:
    served = serve(**of_presets())

    response = served.chat(model=model, **plugin(preset="general-budget", analysis_models=["north"]))

    assert response.json()["model"] == "judge"
    assert [each["model"] for each in result(response)["responses"]] == ["north"]
    assert set(served.asked()) == {"north", "judge"}


@pytest.mark.contract("1.46")
def test_a_preset_wins_over_the_defaults(serve: Serve) -> None:
    served, (panel, judge) = serve(**of_presets()), roster("fast")

    response = served.chat(plugins=[{"id": "fusion", "preset": "general-fast"}])

    assert result(response)["status"] == "ok"
    assert {request.reasoning for request in asked(served.models, panel[1])} == {"low"}
    assert asked(served.models, judge)
