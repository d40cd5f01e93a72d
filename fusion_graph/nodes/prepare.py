"""`prepare`: settle the settings of this call, and clear the last turn away when a new one begins."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Overwrite

from fusion_graph import prompts
from fusion_graph.errors import SettingsError
from fusion_graph.nodes.plans import EstimateRun, plan_message, without_plans
from fusion_graph.schemas import Decision
from fusion_graph.settings import FusionSettings
from fusion_graph.state import FusionState


class Settle(Protocol):
    """Find the settings of one call and refuse what cannot work; `deployment.Parts.settle` is the real one."""

    def __call__(
        self, call: FusionSettings | Mapping[str, Any] | None, *, stored: Mapping[str, Any] | None
    ) -> FusionSettings:
        """Return complete settings whose models and tools can be loaded. Raises SettingsError, ModelLoadError."""
        ...


async def prepare(
    state: FusionState, runtime: Runtime[FusionSettings], *, settle: Settle, estimate: EstimateRun
) -> dict[str, Any]:
    """Refuse what cannot work before anything is paid; then store the settings and the first decision.

    Raises:
        SettingsError: there is no new message, or a setting, a tool or the combination of settings is impossible.
        ModelLoadError: a model of the roster cannot be loaded.
    """
    messages = state.get("messages") or []
    _refuse_nothing(state, messages)
    # Presets are read from disk, which an event loop must not wait for.
    settings = await asyncio.to_thread(settle, runtime.context, stored=state.get("settings"))
    _refuse_unsaved_approval(settings, runtime)
    decision = _first_decision(state, settings)
    if _is_tool_turn(messages):
        return {"settings": settings.dump(), "decision": decision}
    plans: list[BaseMessage] = [*without_plans(messages)]
    if settings.approve and decision and decision["kind"] == "fuse":
        seats = range(1, len(settings.panel) + 1)
        plans.append(plan_message(settings, seats, await estimate(settings, seats)))
    return {
        "messages": plans,
        "settings": settings.dump(),
        "decision": decision,
        "results": Overwrite([]),
        "sources": Overwrite([]),
        "calls": Overwrite([]),
        "analysis": None,
        "status": None,
    }


def _refuse_nothing(state: FusionState, messages: list[Any]) -> None:
    """Raise a SettingsError if nothing is asked: a panel would be paid for an answer to nothing."""
    asked = prompts.asked(messages)
    hint = 'give {"messages": [("user", "...")]}'
    if not asked:
        said = "there is nothing to answer: messages holds no user message"
        raise SettingsError(said, field="messages", value=messages, hint=hint)
    if _is_blank(asked[-1]):
        said = "there is nothing to answer: the last user message is empty"
        raise SettingsError(said, field="messages", value=asked[-1].content, hint=hint)
    if state.get("status") and isinstance(messages[-1], AIMessage):
        said = "there is nothing to answer: no message has come since the last answer of this thread"
        raise SettingsError(said, field="messages", value=[], hint=hint)


def _is_blank(message: BaseMessage) -> bool:
    """Return whether a message holds nothing: no text but white space, no image, no file."""
    others = [part for part in message.content if isinstance(part, Mapping) and part.get("type") != "text"]
    return not others and not str(message.text).strip()


def _refuse_unsaved_approval(settings: FusionSettings, runtime: Runtime[FusionSettings]) -> None:
    saved = runtime.execution_info is not None and runtime.execution_info.thread_id is not None
    if settings.approve and not saved:
        raise SettingsError(
            "approve = True needs a checkpointer and a thread_id: a paused run has to be kept somewhere",
            field="approve",
            value=True,
            hint="compile(checkpointer=...) and pass {'configurable': {'thread_id': ...}}",
        )


def _is_tool_turn(messages: list[Any]) -> bool:
    last: BaseMessage = messages[-1]
    return isinstance(last, ToolMessage)


def _first_decision(state: FusionState, settings: FusionSettings) -> Decision | None:
    """Return what is decided without a model; None leaves it to `decide`.

    On a tool turn a deliberation of this user turn is used again, never repeated; in mode auto the outer model may
    still ask for one as long as there was none.
    """
    tool_turn = _is_tool_turn(state["messages"])
    if tool_turn and state.get("results"):
        return state.get("decision")
    forced = (state.get("caller") or {}).get("tool_choice") == "fusion"
    if not tool_turn and (forced or settings.mode == "always"):
        return {"kind": "fuse"}
    return None if settings.mode == "auto" else {"kind": "plain"}
