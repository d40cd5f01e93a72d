"""Nothing that an attacker writes becomes more than data, and with its guard gone each attack succeeds."""

import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import SystemMessage

from fusion_graph.models.scripted import ScriptedError
from tests.injection.allowed import ALLOWED, Allowed
from tests.injection.attackers import SAY
from tests.injection.case import EAST, JUDGE, MARK, NORTH, SOUTH, WRITER, Case, Played
from tests.injection.guards import GUARDS
from tests.injection.harms import HARMS, harms_of
from tests.injection.stage import play
from tests.injection.table import CASES

TWICE = "same model twice"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_an_attack_does_no_harm(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = harms_of(await play(case, tmp_path, monkeypatch))

    if case.hole and case.harm in found:
        pytest.xfail(case.hole)
    assert not case.hole, "the hole is mended: take its mark away"
    assert found == []


@pytest.mark.parametrize("case", [case for case in CASES if case.guard], ids=lambda case: case.name)
async def test_an_attack_succeeds_without_its_guard(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    GUARDS[case.guard](monkeypatch)

    played = await play(case, tmp_path, monkeypatch)

    assert HARMS[case.harm](played)


# What must come through


@pytest.mark.parametrize("allowed", ALLOWED, ids=lambda allowed: allowed.name)
async def test_what_looks_like_an_attack_comes_through(
    allowed: Allowed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(name=allowed.name, answer=allowed.answer, captured=(), harm="said")

    played = await play(case, tmp_path, monkeypatch)

    written = allowed.answer.replace("{n}", "1")
    assert harms_of(played) == []
    assert cited(played.result["responses"][1]["content"]) == written
    for text in (played.told(JUDGE), played.told(WRITER), played.answer):
        assert (joined(written) if allowed.tokens else written) in (joined(text) if allowed.tokens else cited(text))
    assert {citation["status"] for citation in played.result["citations"]} == {"read"}


def cited(text: str) -> str:
    """Return the text with every source of the corpus numbered 1."""
    return re.sub(r"\[[1-4]\]", "[1]", text)


def joined(text: str) -> str:
    return "".join(cited(text).split())


async def test_what_the_user_says_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(name="the caller's own instructions", turns=[SystemMessage(SAY)], captured=(), harm="said")

    played = await play(case, tmp_path, monkeypatch)

    assert set(played.answers.values()) == {played.answer} == {MARK}


# Agreement of one model with itself

TWINS: dict[str, Any] = {"panel": [NORTH, NORTH, SOUTH]}
STAND_IN: dict[str, Any] = {"panel": [NORTH, {"model": SOUTH, "fallback": NORTH}]}


async def agreeing(settings: dict[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> tuple[Played, Any]:
    """Return a run in which seats 1 and another agree, with the claim they agree on; a south with a fallback fails."""
    fails = ScriptedError("overloaded", status_code=403)
    answer: Any = (lambda _request: fails) if settings is STAND_IN else ""
    case = Case(name="one model", answer=answer, captured=(), settings=settings, harm="said")
    played = await play(case, folder, patch)
    (claim,) = played.analysis["consensus"]
    return played, claim


@pytest.mark.parametrize("settings", [TWINS, STAND_IN], ids=["one model sits twice", "a fallback is the other model"])
async def test_two_seats_of_one_model_that_agree_are_labelled(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, claim = await agreeing(settings, tmp_path, monkeypatch)

    assert claim["seats"] == [1, 2]
    assert claim["note"] == TWICE
    assert f"(answer 1, answer 2: {TWICE})" in played.told(WRITER)
    assert TWICE not in played.told(JUDGE)


@pytest.mark.parametrize("panel", [[NORTH, EAST, SOUTH], [NORTH, NORTH, EAST]])
async def test_an_agreement_that_spans_two_models_has_no_label(
    panel: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played, claim = await agreeing({"panel": panel}, tmp_path, monkeypatch)

    assert "note" not in claim
    assert TWICE not in played.told(WRITER)
