"""What a seat of the panel is told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from fusion_graph.prompts import wording
from fusion_graph.prompts.conversation import render_conversation
from fusion_graph.prompts.fences import fenced, one_word, shared_out
from fusion_graph.prompts.messages import asked, callers_own, known_to_panel, render_system, with_text

MAX_URL_CHARS = 500  # of an address that is told as one to cite


def render_panelist(
    messages: Sequence[BaseMessage], *, tool_steps: int, system_prompt: str = "", prompt: Any = None, today: str = ""
) -> list[BaseMessage]:
    """Return a seat's opening: instructions, then the conversation up to the question, or `prompt` alone.

    `tool_steps` is 0 for a seat without tools; `prompt` is a message's content; `today` a date, for what is "latest".
    """
    tools = wording.PANELIST_TOOLS.format(steps=tool_steps) if tool_steps else wording.PANELIST_NO_TOOLS
    date = wording.TODAY.format(today=today) if today else ""
    system = render_system(wording.PANELIST, tools, date, system_prompt, callers_own(messages))
    spoken = known_to_panel(messages) if prompt is None else [HumanMessage(prompt)]
    return [system, *render_conversation(spoken, tools=False)]


def render_last_call(messages: Sequence[BaseMessage], *, reason: str, max_chars: int) -> list[BaseMessage]:
    """Return a seat's opening (`render_panelist`) with all its notes as fenced text, and the order to answer now.

    Without tool calls in the history, a strict provider accepts it although no tools are offered any more.
    """
    *opening, question = asked(messages)
    notes = [note for message in messages[len(opening) + 1 :] if (note := _note(message))]
    shares = shared_out(notes, max_chars)
    body = fenced({f"note {number}": note for number, note in enumerate(shares, 1)}) or "(nothing)"
    order = f"{wording.LAST_CALL.format(reason=reason)}\n\n{body}\n\n{wording.LAST_CALL_END}"
    return [*opening, HumanMessage(with_text(question.content, order))]


def _note(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    asked_for = (f"{call['name']}({json.dumps(call['args'], ensure_ascii=False, default=str)})" for call in calls)
    return "\n".join(part for part in [str(message.text).strip(), *asked_for] if part)


def render_citations(numbers: Mapping[int, str]) -> str:
    """Return the line under a tool result that says how its sources are cited: number to URL."""
    return wording.CITE_AS + "  ".join(f"[{number}] {one_word(url, MAX_URL_CHARS)}" for number, url in numbers.items())
