"""`ask_with_room`: a reply that the output limit cut is asked for once more, with twice the room and no more time."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from fusion_graph.calls import Asker, Call, Emit, Reply
from fusion_graph.models.scripted import Outcome, ScriptedError, ScriptedModels, ScriptedReply, ScriptedRequest
from fusion_graph.nodes.asking import MAX_DOUBLED_TOKENS, ask_with_room

HALF = ScriptedReply("half", finish_reason="length")
NOTHING = ScriptedReply("", finish_reason="length")


def quiet(_event: dict[str, Any]) -> None:
    pass


class Setting:
    """A model that plays one outcome after the other, and what it was asked."""

    def __init__(self, *outcomes: Outcome, takes: float = 0.0) -> None:
        self._outcomes, self._takes = outcomes, takes
        self.now = 0.0
        self.models = ScriptedModels({"alpha": self._play})
        self.calls: list[Call] = []
        self._ask = Asker(self.models)

    def _play(self, _request: ScriptedRequest) -> Outcome:
        self.now += self._takes
        return self._outcomes[len(self.models.requests) - 1]

    async def __call__(self, call: Call, /, *, emit: Emit | None = None) -> Reply:
        self.calls.append(call)
        return await self._ask(call, emit=emit)

    def check(self, roster: Mapping[str, Sequence[str]]) -> None:
        self._ask.check(roster)

    async def reply(self, *, whole: bool = False, max_tokens: int | None = 100, seconds: float = 60.0) -> Reply:
        call = Call(
            role="judge",
            key="judge:0",
            model="alpha",
            messages=[HumanMessage("Why?")],
            timeout_seconds=seconds,
            max_tokens=max_tokens,
        )
        return await ask_with_room(self, call, quiet, whole=whole, clock=lambda: self.now)

    @property
    def limits(self) -> list[int | None]:
        return [request.max_tokens for request in self.models.requests]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("said", ["all of it", ScriptedError("no", status_code=400), ScriptedReply("no", refusal="no")])
async def test_only_a_cut_reply_is_asked_for_again(said: Outcome, whole: bool) -> None:  # noqa: FBT001
    it = Setting(said)

    reply = await it.reply(whole=whole)

    assert (it.limits, len(reply.entries)) == ([100], 1)


async def test_a_reply_that_was_all_reasoning_gets_twice_the_room() -> None:
    it = Setting(NOTHING, "now it fits")

    reply = await it.reply()

    assert (reply.outcome, reply.text, it.limits) == ("answer", "now it fits", [100, 200])
    assert [entry["key"] for entry in reply.entries] == ["judge:0", "judge:0:wider"]


async def test_half_a_text_is_enough_unless_the_whole_is_needed() -> None:
    enough, needed = Setting(HALF, "the whole"), Setting(HALF, "the whole")

    assert ((await enough.reply(whole=False)).text, enough.limits) == ("half", [100])
    assert ((await needed.reply(whole=True)).text, needed.limits) == ("the whole", [100, 200])


async def test_there_is_one_second_try() -> None:
    it = Setting(NOTHING, NOTHING, "too late")

    reply = await it.reply()

    assert (reply.outcome, len(reply.entries), it.limits) == ("cut", 2, [100, 200])


async def test_of_two_cut_texts_the_second_is_longer() -> None:
    reply = await Setting(HALF, ScriptedReply("half and more", finish_reason="length")).reply(whole=True)

    assert (reply.outcome, reply.text) == ("cut", "half and more")


@pytest.mark.parametrize("second", [ScriptedError("no", status_code=401), ScriptedReply("", refusal="no")], ids=str)
async def test_a_half_text_outlives_a_second_try_that_fails(second: Outcome) -> None:
    reply = await Setting(HALF, second).reply(whole=True)

    assert (reply.outcome, reply.text, len(reply.entries)) == ("cut", "half", 2)


async def test_if_both_bring_nothing_the_second_tells_why() -> None:
    reply = await Setting(NOTHING, ScriptedError("no credit", status_code=402)).reply()

    assert (reply.outcome, len(reply.entries)) == ("payment_required", 2)


async def test_tool_calls_are_worth_having_without_any_text() -> None:
    second = ScriptedReply(AIMessage(""), tool_calls=[{"name": "look", "args": {}, "id": "1"}])

    assert (await Setting(HALF, second).reply(whole=True)).outcome == "tool_calls"


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        (None, [None]),
        (MAX_DOUBLED_TOKENS - 1, [MAX_DOUBLED_TOKENS - 1, MAX_DOUBLED_TOKENS]),
        (MAX_DOUBLED_TOKENS, [MAX_DOUBLED_TOKENS]),
        (MAX_DOUBLED_TOKENS * 2, [MAX_DOUBLED_TOKENS * 2]),
    ],
)
async def test_the_room_has_a_bound_and_never_shrinks(asked: int | None, limits: list[int | None]) -> None:
    it = Setting(NOTHING, NOTHING)

    await it.reply(max_tokens=asked)

    assert it.limits == limits


@pytest.mark.parametrize(
    "refusal",
    ["max_tokens must be at most 50", "max_tokens is not supported with this model"],
    ids=["lowered", "dropped"],
)
async def test_a_model_at_its_own_limit_is_not_asked_in_vain(refusal: str) -> None:
    it = Setting(ScriptedError(refusal, status_code=400), NOTHING, "too late")

    reply = await it.reply()

    assert (reply.outcome, len(it.calls), len(reply.entries)) == ("cut", 1, 2)


async def test_both_tries_share_the_calls_time() -> None:
    it, late = Setting(NOTHING, "x", takes=25.0), Setting(NOTHING, "x", takes=60.0)

    await it.reply(seconds=60.0)
    await late.reply(seconds=60.0)

    assert [call.timeout_seconds for call in it.calls] == [60.0, 35.0]
    assert [call.timeout_seconds for call in late.calls] == [60.0]
