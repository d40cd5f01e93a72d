"""What every node that calls a model does the same way."""

import time
from collections.abc import Callable
from dataclasses import replace

from fusion_graph.calls import Ask, Call, Emit, Reply

MAX_DOUBLED_TOKENS = 64_000
_WITH_TEXT = frozenset({"answer", "tool_calls", "cut"})


async def ask_with_room(
    ask: Ask, call: Call, emit: Emit, *, whole: bool, clock: Callable[[], float] = time.monotonic
) -> Reply:
    """Ask; if the output limit cut the reply, ask once more with twice the room, in what is left of the call's time.

    `whole`: half a text is no use. Else only a reply without any text (reasoning used up the room) is asked again.
    """
    started = clock()
    reply = await ask(call, emit=emit)
    if reply.outcome != "cut" or (reply.text.strip() and not whole):
        return reply
    room = min((call.max_tokens or 0) * 2, MAX_DOUBLED_TOKENS)
    seconds = call.timeout_seconds - (clock() - started)
    if reply.at_models_limit or room <= (call.max_tokens or 0) or seconds <= 0:
        return reply
    wider = replace(call, key=f"{call.key}:wider", max_tokens=room, timeout_seconds=seconds)
    second = await ask(wider, emit=emit)
    is_better = second.outcome in _WITH_TEXT or not reply.text.strip()
    return replace(second if is_better else reply, entries=[*reply.entries, *second.entries])
