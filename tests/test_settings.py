"""What can be set, what is refused and how, and which of several settings counts."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from typing_extensions import TypedDict

import fusion_graph
from fusion_graph.deployment import build_fusion_graph
from fusion_graph.errors import SettingsError
from fusion_graph.folders import home
from fusion_graph.presets import load_presets, resolve
from fusion_graph.seats import Seat
from fusion_graph.settings import PUBLISHED_PRESETS, FusionSettings, load_settings

SCHEMA = FusionSettings.model_json_schema()
PUBLISHED = tomllib.loads((Path(fusion_graph.__file__).parent / "presets.toml").read_text(encoding="utf-8"))
OWN = """
[mine]
description = "My two"
panel = ["a", "b"]
judge = "c"
max_tool_calls = 5

[fast]
panel_timeout_seconds = 45
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment whose user has presets of their own and has set nothing else."""
    (tmp_path / "presets.toml").write_text(OWN, encoding="utf-8")
    return {"FUSION_HOME": str(tmp_path)}


def models(found: FusionSettings) -> list[str]:
    return [seat.model for seat in found.seats]


def refused(values: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        FusionSettings.model_validate(values)
    return caught.value


# What forms show


@pytest.mark.parametrize("name", FusionSettings.model_fields)
def test_every_setting_has_a_description_a_default_and_the_nodes_it_acts_on(name: str) -> None:
    drawn = SCHEMA["properties"][name]

    assert len(drawn["description"]) > 20
    assert drawn["default"] == FusionSettings().dump()[name]
    assert drawn["langgraph_nodes"]
    assert set(drawn["langgraph_nodes"]) <= set(build_fusion_graph().nodes)


def test_only_a_seats_model_is_required_and_each_of_its_fields_is_described() -> None:
    seat = SCHEMA["$defs"]["Seat"]

    assert "required" not in SCHEMA
    assert seat["required"] == ["model"]
    assert all(field["description"] for field in seat["properties"].values())


def test_forms_begin_with_the_preset_show_flat_fields_first_and_end_with_the_panel() -> None:
    is_list = [field.get("type") == "array" for field in SCHEMA["properties"].values()]

    assert is_list == sorted(is_list)
    assert next(iter(SCHEMA["properties"])) == "preset"
    assert next(reversed(SCHEMA["properties"])) == "panel"


def test_fixed_choices_are_offered_as_such() -> None:
    offered = {name: field["enum"] for name, field in SCHEMA["properties"].items() if "enum" in field}

    assert set(offered) == {"mode", "reasoning", "panel_context"}
    assert offered["mode"] == ["always", "auto", "never"]


def test_published_presets_are_suggested_and_a_users_own_are_allowed(environ: dict[str, str]) -> None:
    suggested = SCHEMA["properties"]["preset"]

    assert suggested["examples"] == list(PUBLISHED_PRESETS) == list(PUBLISHED)
    assert "enum" not in suggested
    assert models(resolve({"preset": "mine"}, environ=environ)) == ["a", "b"]


def test_langgraph_hands_the_metadata_on_to_its_clients() -> None:
    drawn = build_fusion_graph().compile().get_context_jsonschema()

    assert drawn is not None
    assert drawn["properties"]["judge"]["langgraph_nodes"] == ["judge"]
    assert drawn["properties"]["max_tool_calls"]["maximum"] == 16


def test_two_settings_share_no_default_list() -> None:
    FusionSettings().tools.append("bash")

    assert FusionSettings().tools == ["web_search", "web_fetch"]


def test_no_file_is_touched_before_settings_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: Any, **__: Any) -> Any:
        raise AssertionError("a file was touched")

    for name in ("open", "stat", "read_text"):
        monkeypatch.setattr(Path, name, touched)

    parsed = FusionSettings.model_validate({"preset": "mine", "panel": ["a", {"model": "b"}]})
    load_settings(parsed.dump())
    FusionSettings.model_json_schema()

    with pytest.raises(AssertionError, match="a file was touched"):
        resolve(parsed)


# The panel


def test_the_same_model_may_sit_twice_each_time_with_its_own_settings(environ: dict[str, str]) -> None:
    own = {
        "model": "m",
        "name": "cold",
        "temperature": 0.0,
        "reasoning": "high",
        "max_tool_calls": 1,
        "fallback": "spare",
        "system_prompt": "Be brief.",
        "tools": [],
    }

    found = resolve({"panel": ["m", own]}, environ=environ)

    assert found.dump()["panel"] == [
        {**dict.fromkeys(own), "model": "m", "name": "", "reasoning": "", "fallback": "", "system_prompt": ""},
        own,
    ]


@pytest.mark.parametrize("size", [1, 8])
def test_a_panel_has_one_to_eight_seats(size: int, environ: dict[str, str]) -> None:
    panel = [f"m{n}" for n in range(size)]

    assert models(resolve({"panel": panel}, environ=environ)) == panel


def test_a_ninth_seat_is_refused() -> None:
    error = refused({"panel": ["m"] * 9})

    assert error.field == "panel"
    assert "at most 8" in str(error)


def test_a_panel_may_mix_names_objects_and_seats_and_may_be_a_tuple() -> None:
    parsed = FusionSettings.model_validate({"panel": ("a", {"model": "b"}, Seat(model="c"))})

    assert models(parsed) == ["a", "b", "c"]


def test_the_first_seat_judges_and_writes_where_a_preset_names_nobody(tmp_path: Path) -> None:
    (tmp_path / "presets.toml").write_text('[bare]\npanel = ["a", "b"]', encoding="utf-8")

    found = resolve({"preset": "bare"}, environ={"FUSION_HOME": str(tmp_path)})

    assert (found.judge, found.writer) == ("a", "a")


def test_the_judge_writes_where_no_writer_is_named(environ: dict[str, str]) -> None:
    assert resolve({"preset": "mine"}, environ=environ).writer == "c"
    assert resolve({"preset": "mine", "judge": "j"}, environ=environ).writer == "j"
    assert resolve({"preset": "demo", "judge": "j"}, environ=environ).writer == "demo:writer"


# Defaults


def test_nobody_has_to_set_anything(environ: dict[str, str]) -> None:
    found = resolve(environ=environ)

    assert found.dump() == {
        "preset": "quality",
        "judge": PUBLISHED["quality"]["judge"],
        "writer": PUBLISHED["quality"]["judge"],
        "mode": "always",
        "max_tool_calls": 4,
        "max_completion_tokens": 16000,
        "reasoning": "",
        "temperature": None,
        "min_answers": 1,
        "quorum": 0,
        "grace_seconds": 30,
        "panel_timeout_seconds": 420,
        "max_cost_usd": 0,
        "price_ceiling": 0,
        "approve": False,
        "require_panel": False,
        "panel_context": "messages",
        "tools": ["web_search", "web_fetch"],
        "excluded_domains": [],
        "blocked_domains": [],
        "allowed_domains": [],
        "panel": [Seat(model=name).model_dump() for name in PUBLISHED["quality"]["panel"]],
    }


# What is refused


@pytest.mark.parametrize(
    ("values", "message", "field", "hint"),
    [
        (
            {"mode": "sometimes"},
            "mode = 'sometimes': input should be 'always'",
            "mode",
            "one of: 'always', 'auto', 'never'",
        ),
        ({"reasoning": "lots"}, "reasoning = 'lots': ", "reasoning", "'xhigh'"),
        ({"max_tool_calls": 17}, "max_tool_calls = 17: .* 16", "max_tool_calls", "Tool steps of each panelist"),
        ({"max_tool_calls": 0}, "max_tool_calls = 0: .* 1", "max_tool_calls", "Tool steps"),
        ({"max_completion_tokens": 63}, "max_completion_tokens = 63: .* 64", "max_completion_tokens", "Output limit"),
        ({"max_completion_tokens": 200_001}, "max_completion_tokens = .* 200000", "max_completion_tokens", "16000"),
        ({"min_answers": 0}, "min_answers = 0: .* 1", "min_answers", "Fewer answers"),
        ({"quorum": -1}, "quorum = -1: .* 0", "quorum", "grace"),
        ({"grace_seconds": -0.5}, "grace_seconds = -0.5: .* 0", "grace_seconds", "quorum"),
        ({"panel_timeout_seconds": 7201}, "panel_timeout_seconds = 7201: .* 7200", "panel_timeout_seconds", "420"),
        ({"max_cost_usd": -1}, "max_cost_usd = -1: .* 0", "max_cost_usd", "Budget in US dollars"),
        ({"temperature": -0.1}, "temperature = -0.1: .* 0", "temperature", "Temperature of the panel"),
        ({"temperature": 2.1}, "temperature = 2.1: .* 2", "temperature", "Temperature of the panel"),
        ({"panel_timeout_seconds": 0}, "panel_timeout_seconds = 0: .*greater than 0", "panel_timeout_seconds", "420"),
        ({"max_cost_usd": float("inf")}, "max_cost_usd = inf: .*finite", "max_cost_usd", "Budget in US dollars"),
        ({"grace_seconds": float("nan")}, "grace_seconds = nan: .*finite", "grace_seconds", "quorum"),
        ({"approve": "perhaps"}, "approve = 'perhaps': .*boolean", "approve", "Ask before"),
        ({"min_answers": None}, "min_answers = None: .*integer", "min_answers", "Fewer answers"),
        ({"tools": "web_search"}, "tools = 'web_search': .*list", "tools", "web_fetch"),
        ({"tools": [1]}, r"tool 1 = 1 names no tool", "tools.1", "web_fetch"),
        ({"tools": [{"name": "web_fetch", "max_uses": 0}]}, "tool 1: max_uses = 0: ", "tools.1.max_uses", "each seat"),
        ({"tools": [{"nam": "web_fetch"}]}, "tool 1: unknown setting 'nam'", "tools.1.nam", "'name'"),
        ({"tools": ["t"] * 9}, "tools = .*at most 8", "tools", "web_fetch"),
        ({"panel": "m"}, "panel = 'm': .*list", "panel", "1 to 8 models"),
        ({"panel": ["m", 5]}, "seat 2 of the panel = 5 names no model", "panel.2", "give a model name"),
        ({"panel": ["  "]}, "seat 1 of the panel = '  ' names no model", "panel.1", "give a model name"),
        ({"panel": [{}]}, "seat 1 of the panel: model is missing", "panel.1.model", "vendor/model"),
        ({"panel": [{"model": " "}]}, "seat 1 of the panel: model = ' ': ", "panel.1.model", "vendor/model"),
        (
            {"panel": ("m", {"model": "m", "temprature": 1})},
            "seat 2 of the panel: unknown setting 'temprature'",
            "panel.2.temprature",
            "did you mean 'temperature'?",
        ),
        (
            {"panel": [{"model": "m", "max_tool_calls": 17}]},
            "seat 1 of the panel: max_tool_calls = 17: .* 16",
            "panel.1.max_tool_calls",
            "Tool steps of this seat",
        ),
        (
            {"panel": [{"model": "m", "reasoning": "lots"}]},
            "seat 1 of the panel: reasoning = 'lots': ",
            "panel.1.reasoning",
            "'xhigh'",
        ),
        ({"pannel": ["m"]}, "unknown setting 'pannel'", "pannel", "did you mean 'panel'? one of: allowed_domains, "),
        ({5: 1}, "unknown setting 5", "5", "one of: allowed_domains, "),
        ("quality", "'quality' is no object of settings", "", "preset"),
    ],
)
def test_a_complaint_names_field_value_and_what_is_allowed(values: Any, message: str, field: str, hint: str) -> None:
    error = refused(values)

    assert re.match(message, str(error))
    assert error.field == field
    assert error.hint is not None
    assert hint in error.hint


def test_a_long_value_is_cut_in_the_complaint() -> None:
    error = refused({"mode": "x" * 10_000})

    assert len(str(error)) < 400
    assert error.value == "x" * 10_000


def test_an_unknown_preset_is_refused_with_the_nearest_name(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="unknown preset 'qualty'") as caught:
        resolve({"preset": "qualty"}, environ=environ)

    assert (caught.value.field, caught.value.value) == ("preset", "qualty")
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean 'quality'? one of: budget, demo, ")
    assert "mine" in caught.value.hint


class _State(TypedDict):
    mode: str


def _mode(state: _State, runtime: Runtime[FusionSettings]) -> _State:
    return {"mode": runtime.context.mode}


async def test_langgraph_refuses_a_wrong_context_in_the_same_words_and_parses_a_right_one() -> None:
    builder: StateGraph[_State, FusionSettings] = StateGraph(_State, context_schema=FusionSettings)
    graph = builder.add_node("mode", _mode).add_edge(START, "mode").compile()
    right: Any = {"mode": "auto"}
    wrong: Any = {"panel": [{"model": "m", "temprature": 1}]}

    assert (await graph.ainvoke({"mode": ""}, context=right))["mode"] == "auto"
    with pytest.raises(SettingsError, match="seat 1 of the panel: unknown setting 'temprature'") as caught:
        await graph.ainvoke({"mode": ""}, context=wrong)

    assert caught.value.field == "panel.1.temprature"


# The environment

BY_VARIABLE: list[tuple[str, str, Any]] = [
    ("preset", "demo", "demo"),
    ("panel", "a, b,,a ", ["a", "b", "a"]),
    ("judge", " j ", "j"),
    ("writer", "w", "w"),
    ("mode", "never", "never"),
    ("max_tool_calls", "2", 2),
    ("max_completion_tokens", "64", 64),
    ("reasoning", "none", "none"),
    ("temperature", "0", 0.0),
    ("temperature", "none", None),
    ("tools", "web_fetch", ["web_fetch"]),
    ("tools", "None", []),
    ("min_answers", "3", 3),
    ("quorum", "2", 2),
    ("grace_seconds", "1.5", 1.5),
    ("panel_timeout_seconds", "90", 90.0),
    ("max_cost_usd", "0.25", 0.25),
    ("price_ceiling", "30", 30.0),
    ("approve", "yes", True),
    ("approve", "0", False),
    ("require_panel", "TRUE", True),
    ("panel_context", "prompt", "prompt"),
    ("excluded_domains", "a.org,b.org/x", ["a.org", "b.org/x"]),
    ("blocked_domains", "none", []),
    ("allowed_domains", "a.org", ["a.org"]),
]


@pytest.mark.parametrize(("name", "text", "expected"), BY_VARIABLE)
def test_every_setting_can_come_from_the_environment(
    name: str, text: str, expected: Any, environ: dict[str, str]
) -> None:
    # The preset underneath sets the same field, so that `none` and `0` are seen to override it.
    other = {"temperature": "1", "tools": '["bash"]', "approve": "true", "blocked_domains": '["x.org"]'}
    under = f'[under]\npanel = ["p"]\n{name} = {other[name]}\n' if name in other else '[under]\npanel = ["p"]\n'
    (Path(environ["FUSION_HOME"]) / "presets.toml").write_text(under, encoding="utf-8")
    variables = {"FUSION_PRESET": "under", f"FUSION_{name.upper()}": text}

    found = resolve(environ=environ | variables)

    assert (models(found) if name == "panel" else found.dump()[name]) == expected


def test_the_list_of_variables_above_is_complete() -> None:
    assert {name for name, _, _ in BY_VARIABLE} == set(FusionSettings.model_fields)


@pytest.mark.parametrize(("name", "text"), [("panel", "none"), ("panel", " , "), ("judge", ""), ("mode", "  ")])
def test_an_empty_variable_sets_nothing(name: str, text: str, environ: dict[str, str]) -> None:
    assert resolve(environ=environ | {f"FUSION_{name.upper()}": text}) == resolve(environ=environ)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("FUSION_MODE", "sometimes", "mode = 'sometimes'"),
        ("FUSION_QUORUM", "9", "quorum = '9': .* 8"),
        ("FUSION_APPROVE", "none", "approve = 'none': .*boolean"),
        ("FUSION_PANEL", "a,b,c,d,e,f,g,h,i", "panel = .*at most 8"),
        ("FUSION_PRESET", "qualty", "unknown preset 'qualty'"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, text: str, message: str, environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"^environment variable {variable}: {message}") as caught:
        resolve(environ=environ | {variable: text})

    assert caught.value.field == variable.removeprefix("FUSION_").lower()


def test_the_process_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUSION_MAX_TOOL_CALLS", "7")

    assert resolve().max_tool_calls == 7
    assert resolve(environ={"FUSION_HOME": os.environ["FUSION_HOME"]}).max_tool_calls == 4


# Which of several settings counts


@pytest.mark.parametrize("layers", range(5))
def test_the_nearest_setting_wins(layers: int, environ: dict[str, str]) -> None:
    present = [True] * layers + [False] * (4 - layers)
    preset, variable, thread, call = present

    found = resolve(
        {"max_tool_calls": 8} if call else {},
        stored={"max_tool_calls": 7} if thread else None,
        environ=environ
        | ({"FUSION_PRESET": "mine"} if preset else {})
        | ({"FUSION_MAX_TOOL_CALLS": "6"} if variable else {}),
    )

    assert found.max_tool_calls == [4, 5, 6, 7, 8][layers]


def test_settings_of_different_layers_add_up(environ: dict[str, str]) -> None:
    found = resolve(
        {"preset": "mine", "mode": "auto"},
        stored={"excluded_domains": ["a.org"]},
        environ=environ | {"FUSION_TEMPERATURE": "0.5"},
    )

    assert (found.mode, found.excluded_domains, found.temperature) == ("auto", ["a.org"], 0.5)
    assert (found.max_tool_calls, found.reasoning) == (5, "")


FURTHER = {"panel": ["x"], "judge": "x", "writer": "x"}


@pytest.mark.parametrize(
    ("call", "stored", "variables"),
    [
        ({"preset": "mine"}, {}, {"FUSION_PANEL": "x", "FUSION_JUDGE": "x", "FUSION_WRITER": "x"}),
        ({"preset": "mine"}, FURTHER, {}),
        ({"preset": "mine"}, FURTHER | {"preset": "quality"}, {"FUSION_PRESET": "demo"}),
        ({}, {"preset": "mine"}, {"FUSION_PANEL": "x", "FUSION_WRITER": "x", "FUSION_PRESET": "demo"}),
    ],
)
def test_a_preset_named_nearer_replaces_the_whole_roster_set_further_out(
    call: dict[str, Any], stored: dict[str, Any], variables: dict[str, str], environ: dict[str, str]
) -> None:
    found = resolve(call, stored=stored, environ=environ | variables)

    assert (found.preset, models(found), found.judge, found.writer) == ("mine", ["a", "b"], "c", "c")


def test_a_roster_beside_its_preset_or_nearer_wins_over_the_preset(environ: dict[str, str]) -> None:
    beside = resolve({"preset": "mine", "judge": "j"}, environ=environ)
    nearer = resolve({"panel": ["n"]}, environ=environ | {"FUSION_PRESET": "mine"})

    assert (models(beside), beside.judge) == (["a", "b"], "j")
    assert (models(nearer), nearer.judge) == (["n"], "c")


def test_a_thread_that_changes_its_preset_keeps_what_was_set_by_hand_and_nothing_of_the_old_preset(
    environ: dict[str, str],
) -> None:
    first = resolve({"preset": "fast", "excluded_domains": ["a.org"], "temperature": 0.3}, environ=environ)
    assert (first.max_tool_calls, first.panel_timeout_seconds, first.reasoning) == (2, 45, "low")

    second = resolve({"preset": "mine"}, stored=first.dump(), environ=environ)

    assert (second.max_tool_calls, second.panel_timeout_seconds, second.reasoning) == (5, 420, "")
    assert (second.excluded_domains, second.temperature) == (["a.org"], 0.3)


def test_a_thread_that_names_its_own_preset_again_keeps_its_other_settings(environ: dict[str, str]) -> None:
    first = resolve({"preset": "fast"}, environ=environ)

    second = resolve({"preset": "fast"}, stored=first.dump(), environ=environ | {"FUSION_MAX_TOOL_CALLS": "9"})

    assert second == first


def test_a_thread_outlives_the_preset_it_was_started_with(environ: dict[str, str]) -> None:
    first = resolve({"preset": "mine"}, environ=environ)
    (Path(environ["FUSION_HOME"]) / "presets.toml").unlink()

    second = resolve(stored=first.dump(), environ=environ)

    assert second.dump() == first.dump() | {"preset": "quality"}
    assert models(resolve({"preset": "demo"}, stored=first.dump(), environ=environ)) == PUBLISHED["demo"]["panel"]


def test_an_empty_list_of_tools_means_no_tools_at_every_layer(environ: dict[str, str]) -> None:
    stored = resolve({"tools": []}, environ=environ).dump()

    assert stored["tools"] == []
    assert resolve(stored=stored, environ=environ | {"FUSION_TOOLS": "web_fetch"}).tools == []
    assert resolve(FusionSettings(tools=[]), stored={"tools": ["web_fetch"]}, environ=environ).tools == []


def test_an_empty_roster_or_preset_is_not_set(environ: dict[str, str]) -> None:
    form = {"preset": "", "panel": [], "judge": "", "writer": " "}

    found = resolve(form, stored={"panel": [], "judge": ""}, environ=environ | {"FUSION_PRESET": "mine"})

    assert found == resolve({"preset": "mine"}, environ=environ)


def test_only_what_was_set_counts_as_set(environ: dict[str, str]) -> None:
    found = resolve(FusionSettings(judge="j"), stored={"mode": "never"}, environ=environ | {"FUSION_QUORUM": "2"})

    assert (found.judge, found.mode, found.quorum) == ("j", "never", 2)


_NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
_SEATS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    model=_NAMES,
    name=st.just("") | _NAMES,
    temperature=st.none() | st.floats(0, 2),
    max_tool_calls=st.none() | st.integers(1, 16),
    tools=st.none() | st.lists(_NAMES, max_size=3),
)
_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "preset": st.sampled_from(["", "quality", "fast", "demo", "draco-budget"]),
        "panel": st.lists(_NAMES | _SEATS, max_size=8),
        "judge": st.just("") | _NAMES,
        "writer": st.just("") | _NAMES,
        "mode": st.sampled_from(["always", "auto", "never"]),
        "max_tool_calls": st.integers(1, 16),
        "reasoning": st.sampled_from(["", "low"]),
        "temperature": st.none() | st.floats(0, 2),
        "panel_timeout_seconds": st.floats(0.5, 7200),
        "approve": st.booleans(),
        "tools": st.lists(_NAMES, max_size=8),
        "excluded_domains": st.lists(_NAMES, max_size=3),
    },
)
_VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "FUSION_PRESET": st.sampled_from(["fast", "demo"]),
        "FUSION_WRITER": _NAMES,
        "FUSION_MAX_TOOL_CALLS": st.sampled_from(["3", "5"]),
        "FUSION_TOOLS": st.sampled_from(["none", "web_fetch"]),
    },
)


@given(call=_SETTINGS, thread=_SETTINGS, variables=_VARIABLES)
def test_resolved_settings_are_complete_survive_json_and_resolve_to_themselves(
    call: dict[str, Any], thread: dict[str, Any], variables: dict[str, str]
) -> None:
    environ = variables | {"FUSION_HOME": "/nonexistent"}

    found = resolve(call, stored=thread, environ=environ)

    stored = json.loads(json.dumps(found.dump(), allow_nan=False))
    assert 1 <= len(found.panel) <= 8
    assert found.judge
    assert found.writer
    assert found.model_fields_set == set(FusionSettings.model_fields)
    assert load_settings(stored) == found
    assert FusionSettings.model_validate_json(found.model_dump_json()) == found
    assert resolve(None, stored=stored, environ=environ) == found
    assert resolve(found, environ=environ) == found
    assert resolve(found, stored=thread, environ={"FUSION_HOME": "/nonexistent", "FUSION_MODE": "never"}) == found


def test_a_changed_copy_of_resolved_settings_resolves_with_the_change(environ: dict[str, str]) -> None:
    found = resolve({"preset": "mine"}, environ=environ)

    changed = resolve(found.model_copy(update={"judge": "j"}), environ=environ)

    assert changed.dump() == found.dump() | {"judge": "j"}


def test_settings_of_an_older_version_load_without_the_fields_this_one_does_not_know(environ: dict[str, str]) -> None:
    stored = resolve({"preset": "mine", "mode": "auto"}, environ=environ).dump()
    old = stored | {"rounds": 3, "panel": [seat | {"weight": 2} for seat in stored["panel"]]}

    assert load_settings(old).dump() == stored
    assert resolve(stored=old, environ=environ).dump() == stored
    assert load_settings({"panel": ["a"], "rounds": 3}).panel == ["a"]
    assert "rounds" in old


# Presets


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_preset_is_described_and_complete(name: str, environ: dict[str, str]) -> None:
    found = resolve({"preset": name}, environ=environ)

    assert load_presets(environ)[name]["description"] == PUBLISHED[name]["description"]
    assert found.preset == name
    assert models(found) == PUBLISHED[name]["panel"]
    assert found.judge == PUBLISHED[name]["judge"]


def test_a_users_preset_is_merged_over_the_published_one_field_by_field(environ: dict[str, str]) -> None:
    found = resolve({"preset": "fast"}, environ=environ)

    assert found.panel_timeout_seconds == 45
    assert found.max_tool_calls == PUBLISHED["fast"]["max_tool_calls"]
    assert models(found) == PUBLISHED["fast"]["panel"]


def test_a_users_own_preset_stands_beside_the_published_ones(environ: dict[str, str]) -> None:
    presets = load_presets(environ)

    assert set(presets) == {*PUBLISHED, "mine"}
    assert presets["mine"] == {
        "description": "My two",
        "settings": {"panel": ["a", "b"], "judge": "c", "max_tool_calls": 5},
    }


def test_without_a_file_of_ones_own_there_are_the_published_presets(tmp_path: Path) -> None:
    assert list(load_presets({"FUSION_HOME": str(tmp_path)})) == list(PUBLISHED)


def test_a_changed_file_counts_at_once_and_an_unchanged_one_is_not_read_again(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path(environ["FUSION_HOME"]) / "presets.toml"
    read: list[str] = []
    loads = tomllib.loads

    def watched(text: str) -> dict[str, Any]:
        read.append(text)
        return loads(text)

    monkeypatch.setattr(tomllib, "loads", watched)

    before = [load_presets(environ)["mine"]["settings"]["judge"] for _ in range(2)]
    once = len(read)
    own.write_text(OWN.replace('"c"', '"changed"'), encoding="utf-8")
    after = load_presets(environ)["mine"]["settings"]["judge"]
    own.unlink()

    assert (before, once, after) == (["c", "c"], 2, "changed")
    assert "mine" not in load_presets(environ)


def test_presets_that_a_caller_changes_do_not_change_for_others(environ: dict[str, str]) -> None:
    load_presets(environ)["mine"]["settings"]["panel"].append("z")

    assert load_presets(environ)["mine"]["settings"]["panel"] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "message", "field"),
    [
        ('[mine\npanel = ["a"]', "is not valid TOML: ", "preset"),
        ("[mine]\npanel = ['\x00']", "is not valid TOML: ", "preset"),
        ("judge = 'j'\n[mine]", "judge = 'j' belongs to no preset", "judge"),
        ("[mine]\npreset = 'quality'", "preset 'mine' names another preset", "preset"),
        ("[mine]\npannel = ['a']", "preset 'mine': unknown setting 'pannel'", "pannel"),
        ("[fast]\nquorum = 9", "preset 'fast': quorum = 9: .* 8", "quorum"),
        ("[mine]\npanel = [{ name = 'a' }]", "preset 'mine': seat 1 of the panel: model is missing", "panel.1.model"),
    ],
)
def test_a_wrong_file_of_presets_is_named_with_the_place(
    text: str, message: str, field: str, environ: dict[str, str]
) -> None:
    own = Path(environ["FUSION_HOME"]) / "presets.toml"
    own.write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=rf"^{re.escape(str(own))}:? {message}") as caught:
        resolve(environ=environ)

    assert caught.value.field == field


def test_a_file_of_presets_that_is_not_text_or_not_readable_is_named(environ: dict[str, str]) -> None:
    own = Path(environ["FUSION_HOME"]) / "presets.toml"
    own.write_bytes(b"\xff\xfe[mine]")
    with pytest.raises(SettingsError, match=r"presets\.toml is not valid TOML"):
        resolve(environ=environ)

    own.unlink()
    own.mkdir()
    with pytest.raises(SettingsError, match=r"presets\.toml cannot be read: Is a directory"):
        resolve(environ=environ)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="cannot be read: Not a directory") as caught:
        resolve(environ={"FUSION_HOME": str(tmp_path / "file")})

    assert "FUSION_HOME" in str(caught.value.hint)


def test_a_file_of_presets_may_begin_with_a_byte_order_mark(environ: dict[str, str]) -> None:
    (Path(environ["FUSION_HOME"]) / "presets.toml").write_text(OWN, encoding="utf-8-sig")

    assert "mine" in load_presets(environ)


def test_a_preset_without_a_panel_asks_for_one(tmp_path: Path) -> None:
    (tmp_path / "presets.toml").write_text('[bare]\njudge = "j"', encoding="utf-8")
    environ = {"FUSION_HOME": str(tmp_path)}

    with pytest.raises(SettingsError, match="preset 'bare' names no panel") as caught:
        resolve({"preset": "bare"}, environ=environ)

    assert caught.value.hint == "give a panel of 1 to 8 models"
    assert resolve({"preset": "bare", "panel": ["a"]}, environ=environ).judge == "j"


def test_fusion_home_moves_every_folder_and_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")

    assert home("data", {"FUSION_HOME": "~/fusion"}) == Path("/home/someone/fusion")
    assert home("config", {"FUSION_HOME": "~/fusion"}) == home("cache", {"FUSION_HOME": "~/fusion"})


def test_without_fusion_home_each_kind_has_the_platforms_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("CONFIG", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", f"/base/{kind.lower()}")

    folders = {home(kind, {"FUSION_HOME": " "}) for kind in ("config", "data", "cache")}

    assert folders == {Path(f"/base/{kind}/fusion_graph") for kind in ("config", "data", "cache")}
