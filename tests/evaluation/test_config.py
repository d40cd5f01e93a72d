"""Configurations: those of the package load, and what is wrong with another is said with field, value and remedy."""

import re
from pathlib import Path

import pytest

from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.config import config_names, config_of, load_config
from fusion_graph.presets import resolve

PUBLISHED = {
    "Fable 5 + GPT-5.5": (69.0, 93),
    "Opus 4.8 + GPT-5.5 + Gemini 3.1 Pro": (68.3, 100),
    "Opus 4.8 + GPT-5.5": (67.6, 100),
    "Opus 4.8 twice": (65.5, 100),
    "Gemini 3 Flash + Kimi K2.6 + DeepSeek V4 Pro": (64.7, 100),
    "Fable 5 alone": (65.3, 93),
    "DeepSeek V4 Pro alone": (60.3, 100),
    "GPT-5.5 alone": (60.0, 100),
    "Opus 4.8 alone": (58.8, 100),
    "Kimi K2.6 alone": (53.7, 100),
    "Gemini 3.1 Pro alone": (45.4, 100),
    "Gemini 3 Flash alone": (43.1, 100),
}


@pytest.mark.parametrize("name", config_names())
def test_every_configuration_of_the_package_has_settings_that_resolve(name: str) -> None:
    config = load_config(name)

    for target in config.target:
        given = {**config.generation, **target.settings}
        if target.kind != "fusion":
            given |= {"panel": [target.model], "judge": target.model}
        assert resolve(given, environ={}).max_tool_calls == 16
    assert config.pairs


def test_the_published_table_is_whole_and_says_where_it_is_from() -> None:
    config = load_config("published-table")

    told = {target.name: target.published for target in config.target}
    assert {name: (each.score, each.tasks) for name, each in told.items() if each} == PUBLISHED
    assert all(each and each.source for each in told.values())
    assert config.generation["max_completion_tokens"] == 16384
    assert config.generation["panel_timeout_seconds"] == 1800


def test_every_fusion_is_compared_with_every_target_that_is_none() -> None:
    config = config_of(["preset:quality", "preset:budget", "solo:openai/gpt-5.5", "best-of-3:openai/gpt-5.5"])

    assert [target.kind for target in config.target] == ["fusion", "fusion", "solo", "best_of"]
    assert config.pairs == [
        ("quality", "openai/gpt-5.5"),
        ("quality", "best of 3: openai/gpt-5.5"),
        ("budget", "openai/gpt-5.5"),
        ("budget", "best of 3: openai/gpt-5.5"),
    ]
    assert config_of(["preset:quality", "preset:budget"]).pairs == [("quality", "budget")]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("gpt-5.5", "target 'gpt-5.5' is unknown"),
        ("solo:", "target 'solo:' is unknown"),
        ("best-of-x:m", "target 'best-of-x:m' is unknown"),
        ("best-of-1:m", "tries = 1"),
        ("best-of-99:m", "tries = 99"),
    ],
)
def test_a_target_that_cannot_be_is_refused(said: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(wrong)):
        config_of([said])


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("name = ", "Invalid value"),
        ("name = 'x'", "target is missing"),
        ("name = 'x'\ntarget = []", "target = []"),
        ("name = 'x'\n[[target]]\nname = 'a'\nkind = 'duo'", "kind = 'duo'"),
        ("name = 'x'\n[[target]]\nname = 'a'\nkind = 'solo'", "target 'a' (solo) has no model"),
        ("name = 'x'\nnaem = 'y'\n[[target]]\nname = 'a'", "unknown setting 'naem'"),
        ("name = 'x'\n[[target]]\nname = 'a'\n[[target]]\nname = 'a'", "two targets are called 'a'"),
        ("name = 'x'\ncompare = [['a', 'b']]\n[[target]]\nname = 'a'", "there is no target 'b'"),
        ("name = 'x'\n[grader]\ngradings = 99\n[[target]]\nname = 'a'", "gradings = 99"),
        ("name = 'x'\n[[target]]\nname = 'a'\n[target.published]\nscore = 690", "score = 690"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=re.escape(wrong)) as caught:
        load_config(str(path))
    assert str(path) in str(caught.value)


def test_a_configuration_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SettingsError, match="no configuration 'publisht-table'") as caught:
        load_config("publisht-table")

    assert "did you mean 'published-table'?" in str(caught.value.hint)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match="utf-8"):
        load_config(str(path))
