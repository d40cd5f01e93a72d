"""Requests that are out of bounds: the statement, what stands in the body, and the field that the refusal names."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.contract.asking import FUSION, plugin, tool
from tests.server.talk import ORDER

REASONING = "tools.0.parameters.reasoning"
Row = tuple[str, dict[str, Any], str]
WIZARD = {"role": "wizard", "content": "x"}
BAD_CONTENTS: list[Any] = [5, [5], {}]
NOPE = {"type": "function", "function": {"name": "nope"}}
NOT_OFFERED = {"model": "writer", "plugins": None, "tool_choice": {"type": FUSION}}


def of_body(number: str, field: str, *values: Any, **beside: Any) -> Iterator[Row]:
    """Yield values of a field of the request itself."""
    yield from ((number, {field: value, **beside}, field) for value in values)


def of_plugin(number: str, field: str, *values: Any) -> Iterator[Row]:
    """Yield values of a field of the plugin."""
    yield from ((number, plugin(**{field: value}), f"plugins.0.{field}") for value in values)


def of_tool(number: str, field: str, *values: Any) -> Iterator[Row]:
    """Yield values of a field of the server tool."""
    yield from ((number, tool(**{field: value}), f"tools.0.parameters.{field}") for value in values)


def of_both(number: str, field: str, *values: Any) -> Iterator[Row]:
    """Yield values of a field that plugin and server tool have, in each of them."""
    yield from of_plugin(number, field, *values)
    yield from of_tool(number, field, *values)


FUSION_ROWS: list[Row] = [
    *of_both("7.1", "analysis_models", [], ["north"] * 9, ["north"] * 1000),
    *of_both("7.2", "max_tool_calls", 0, 17, -1),
    ("7.2", plugin(max_tool_calls=10**30), "plugins"),
    *of_tool("7.3", "temperature", 2.1, -0.1, 1000),
    *of_plugin("7.5", "colour", "red"),
    *of_plugin("7.5", "temperature", 1),
    *of_plugin("7.5", "maxToolCalls", 4),
    *of_plugin("7.5", "judge", "x"),
    *of_tool("7.6", "colour", "red"),
    *of_tool("7.6", "preset", "general-fast"),
    *of_tool("7.6", "enabled", "yes"),
    *of_both("7.7", "tools", [{"type": "openrouter:web_fetch"}] * 9),
    ("7.11", plugin(preset="general-best"), "preset"),
    ("7.11", {"model": "fusion/nonsense"}, "preset"),
    *(("7.12", {"plugins": [entry]}, "plugins.0") for entry in ({"id": "web"}, {}, "fusion", 5, None)),
    ("7.12", {"plugins": plugin()["plugins"] * 2}, "plugins"),
    ("7.12", {"tools": [{"type": "openrouter:web_search"}]}, "tools.0.type"),
    ("7.12", {"tools": [ORDER, {"type": "code_interpreter"}]}, "tools.1.type"),
    ("7.12", {"tools": tool()["tools"] * 2}, "tools.1.type"),
    *of_tool("7.13", "max_completion_tokens", 0, -5, 63, 200_001, 10**9),
    *of_both("7.14", "analysis_models", "north", 5, [5], [None], [""], [["north"]], {"a": 1}),
    *of_both("7.14", "max_tool_calls", "4", 2.5, [4]),
    *of_both("7.14", "model", 5, "", ["judge"]),
    *of_both("7.14", "tools", "web_search", {"type": "openrouter:web_fetch"}, 5),
    *of_tool("7.14", "temperature", "hot", [1]),
    *of_tool("7.14", "max_completion_tokens", "500", 2.5),
    *of_plugin("7.14", "enabled", "no", 0),
    *of_plugin("7.14", "fusion_mode", "maybe", 5),
    *of_plugin("7.14", "preset", 5),
]
REASONING_ROWS: list[Row] = [
    *(("7.4", tool(reasoning={"effort": effort}), f"{REASONING}.effort") for effort in ("huge", "HIGH", "", 5)),
    ("7.6", tool(reasoning={"budget": 5}), f"{REASONING}.budget"),
    ("7.14", tool(reasoning={"max_tokens": 0}), f"{REASONING}.max_tokens"),
    *(("7.14", tool(reasoning=value), REASONING) for value in ("high", 5, ["high"])),
]
CHAT_ROWS: list[Row] = [
    *of_body("7.14", "plugins", {"id": "fusion"}, "fusion", 5),
    *of_body(
        "7.14", "tools", {}, "order", 5, [5], [{}], [{"type": "function"}], [{"type": "function", "function": {}}]
    ),
    *of_body("7.14", "model", 5, None, "", " ", ["fusion"]),
    *of_body("7.14", "stream", "yes", 1),
    *of_body("7.14", "max_tokens", 0, -1, "many", 2.5, []),
    *of_body("7.14", "max_completion_tokens", 0, "many"),
    *of_body("7.14", "temperature", 2.1, -0.1, "hot", []),
    *of_body("7.15", "messages", None, [], {}, "Hello?", 5, [{"role": "system", "content": "x"}]),
    *(("7.15", {"messages": [each]}, "messages.0.role") for each in ({}, 5, "Hello?", WIZARD, {"role": None})),
    *(("7.15", {"messages": [{"role": "user", "content": each}]}, "messages.0.content") for each in BAD_CONTENTS),
    ("7.15", {"messages": [{"role": "tool", "content": "x"}]}, "messages.0"),
    *of_body(
        "7.16", "tool_choice", "some", "", 5, {}, ["auto"], NOPE, {"type": "openrouter:web_search"}, tools=[ORDER]
    ),
    ("7.16", NOT_OFFERED, "tool_choice"),
    *of_body("7.17", "response_format", "json", 5, {}, {"type": "xml"}, []),
    ("7.17", {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
]


def as_parameters(rows: list[Row]) -> list[Any]:
    """Return rows as parameters of a test that claims their statements."""
    return [pytest.param(body, field, marks=pytest.mark.contract(number)) for number, body, field in rows]
