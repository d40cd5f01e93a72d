"""The structured-output ladder: JSON schema, JSON mode, plain text; a tolerant parse; one repair; else nothing.

Thinking models refuse a forced tool call, so none is used. What a model refuses is remembered for its next call.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage
from pydantic import ValidationError

from fusion_graph import prompts
from fusion_graph.calls import Ask, Call, Emit, Reply
from fusion_graph.nodes.asking import MAX_DOUBLED_TOKENS, ask_with_room
from fusion_graph.report import JudgeReport, parse_json_object, parse_report, strict_schema
from fusion_graph.schemas import CallEntry, CallError, JudgeFailure, Outcome

_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "analysis", "strict": True, "schema": strict_schema(JudgeReport)},
}
_RUNGS: tuple[dict[str, Any] | None, ...] = (_SCHEMA, {"type": "json_object"}, None)
_SMALLER = 0.25
# It accepted the request, and any text of it counts.
_SAID: frozenset[Outcome] = frozenset({"answer", "cut", "empty", "tool_calls"})
# Gateways answer 404 where no server behind them has the feature, some servers 500; a library raises what it raises.
_FORMAT = re.compile(
    r"response.?format|json.?(schema|object|mode)|structured|grammar|requested parameters", re.IGNORECASE
)

Render = Callable[[float], list[BaseMessage]]  # the request, with this share of the evidence
Found = tuple[JudgeReport | None, JudgeFailure | None, list[CallEntry]]


class Ladder:
    """Get a JudgeReport out of any model."""

    def __init__(self) -> None:
        self._start: dict[str, int] = {}  # model -> the first rung it does not refuse

    async def climb(self, ask: Ask, call: Call, render: Render, emit: Emit) -> Found:
        """Return the report, or None and why, and the ledger of all it took: in the time of one call."""
        deadline = time.monotonic() + call.timeout_seconds
        request, reply = await self._first_answer(ask, call, render, emit, deadline)
        # Mending the worst of texts takes seconds, and other runs share this event loop.
        report, failure, problem = await asyncio.to_thread(_read, reply, request)
        if report or reply.outcome not in _SAID:
            return report, failure, reply.entries
        left = deadline - time.monotonic()
        if left <= 0:
            salvaged = await asyncio.to_thread(_salvaged, reply, request)
            return salvaged, None if salvaged else failure, reply.entries
        second = await ask(replace(_repair(request, reply, problem), timeout_seconds=left), emit=emit)
        report, failure = await asyncio.to_thread(_settled, reply, second, request)
        return report, failure, [*reply.entries, *second.entries]

    async def _first_answer(
        self, ask: Ask, call: Call, render: Render, emit: Emit, deadline: float
    ) -> tuple[Call, Reply]:
        """Return the reply of the first rung the model accepts; evidence too long for it is cut once."""
        entries: list[CallEntry] = []
        rung, share = self._start.get(call.model, 0), 1.0
        while True:
            key = f"judge:{rung}" + ("" if share == 1 else ":smaller")
            left = max(deadline - time.monotonic(), 0.0)
            request = replace(call, key=key, messages=render(share), response_format=_RUNGS[rung], timeout_seconds=left)
            reply = await ask_with_room(ask, request, emit, whole=True)
            entries += reply.entries
            if rung + 1 < len(_RUNGS) and _refuses_format(reply.error):
                rung += 1
            elif reply.outcome == "context_overflow" and share == 1:
                share = _SMALLER
            else:
                break
        if reply.outcome in _SAID:
            self._start[call.model] = rung
        return request, replace(reply, entries=entries)


def _refuses_format(error: CallError | None) -> bool:
    if error is None:
        return False
    doubtful = error["kind"] in {"not_found", "server_error", "error"} and _FORMAT.search(error["message"])
    return error["kind"] == "bad_request" or bool(doubtful)


def _repair(request: Call, reply: Reply, problem: str) -> Call:
    """Return the second try; where the output limit cut the first, with the room that `ask_with_room` gives."""
    messages = prompts.render_repair(request.messages, reply.text, problem)
    room = request.max_tokens
    if reply.outcome == "cut" and room is not None:
        room = max(room, min(room * 2, MAX_DOUBLED_TOKENS))
    return replace(request, key="judge:repair", messages=messages, max_tokens=room)


def _read(reply: Reply, request: Call) -> tuple[JudgeReport | None, JudgeFailure | None, str]:
    """Return the report in a reply, or None with the failure's code and, in words, what is wrong with it."""
    if reply.outcome not in _SAID:
        return None, "judge_upstream_error", ""
    limit = "the output limit cut it: be briefer; " if reply.outcome == "cut" else ""
    if not reply.text.strip():
        return None, "judge_empty_completion", f"{limit}it was empty"
    found = _object(reply, request)
    if found is None:
        return None, "judge_not_valid_json", f"{limit}it was not a JSON object"
    try:
        return parse_report(found, drop_unsound=reply.outcome == "cut"), None, ""
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return None, "judge_schema_mismatch", f"{limit}{where or 'the object'}: {first['msg']}"


def _object(reply: Reply, request: Call) -> dict[str, Any] | None:
    """Return the object that a reply says, not one that it quotes from the request: an answer may hold a report."""
    asked = "\n".join(str(message.text) for message in request.messages)
    return parse_json_object(reply.text, JudgeReport.model_fields, asked)


def _settled(first: Reply, second: Reply, request: Call) -> tuple[JudgeReport | None, JudgeFailure | None]:
    """Return the repaired report; else what is sound in either, which is better than nothing; else why there is none."""
    report, failure, _ = _read(second, request)
    report = report or _salvaged(second, request) or _salvaged(first, request)
    if second.outcome not in _SAID:
        failure = _read(first, request)[1]
    return report, None if report else failure


def _salvaged(reply: Reply, request: Call) -> JudgeReport | None:
    """Return a report of the sound points of an unsound one, None if it has none."""
    found = _object(reply, request) if reply.outcome in _SAID else None
    try:
        return parse_report(found, drop_unsound=True) if found else None
    except ValidationError:
        return None
