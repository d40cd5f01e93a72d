"""The tools of an application: LangChain tools, or plain functions."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.tools import BaseTool, tool

from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError

OwnTool = BaseTool | Callable[..., Any]
_HINT = "give LangChain tools, or functions with annotated arguments and a docstring that says what they do"


def own_tools(given: Sequence[OwnTool]) -> list[BaseTool]:
    """Return an application's tools, functions among them made into tools. Raises SettingsError."""
    found = [_own_tool(each) for each in given]
    counts = Counter(tool.name for tool in found)
    if twice := [name for name, count in counts.items() if count > 1]:
        hint = "a model tells tools apart by their names: rename one"
        raise SettingsError(f"tools: several are called {twice[0]!r}", field="tools", value=twice[0], hint=hint)
    return found


def _own_tool(given: OwnTool) -> BaseTool:
    if isinstance(given, BaseTool):
        return given
    if not callable(given):
        raise SettingsError(f"tools: {shown(given)} is no tool", field="tools", value=given, hint=_HINT)
    try:
        return tool(given)
    except ValueError as error:
        raise SettingsError(f"tools: {shown(given)}: {error}", field="tools", value=given, hint=_HINT) from None
