"""What can go wrong, and what happens then: the table behind the tests beside it and behind README's."""

import time
from email.utils import formatdate
from functools import partial
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools.base import ToolException

from fusion_graph.report import JudgeReport, strict_schema
from tests.faults import stories
from tests.faults.fault import Fault
from tests.faults.stage import PANEL_TOOLS
from tests.model_server import (
    QUOTA_EXCEEDED,
    Behaviour,
    Problem,
    Reply,
    Request,
    fails,
    faulty,
    hungry,
    judge,
    openai_shape,
    panelist,
    says,
    when,
    writer,
)
from tests.model_server.behaviours import stops_midway, wire_calls

ESSAY = "The bridge opened in 1932, and this is told at some length. " * 8
RESEARCH = {"tools": PANEL_TOOLS}
DAY = 86_400
LONG_ANSWERS = dict.fromkeys((1, 2, 3), "^The bridge opened in 1932")
JUDGE_WROTE = "^The final answer, in the words of judge"


def elsewhere(url: str) -> dict[str, Any]:
    """Return what seats the second model on another server."""
    panel = ["openai:one", "openrouter:vendor/two", "openai:three"]
    return {
        "settings": {"panel": panel},
        "environ": {"OPENROUTER_BASE_URL": url, "OPENROUTER_API_KEY": "key-of-the-tests"},
    }


def own_tool(name: str, result: str | Exception) -> BaseTool:
    async def run(query: str) -> str:
        if isinstance(result, Exception):
            raise result
        return result

    return StructuredTool.from_function(coroutine=run, name=name, description="Look a thing up.")


def refuses(status: int, words: str, **fields: Any) -> Behaviour:
    return fails(status, error=openai_shape(Problem(words, status=status, **fields)))


def takes_no_tools(status: int, words: str) -> Behaviour:
    return when(lambda request: bool(request.tools), refuses(status, words), panelist())


def uses(name: str, *, times: int = 1) -> Behaviour:
    """Call a tool so often in one message, then answer."""

    def behave(request: Request) -> Reply:
        if name in request.tool_names and not request.turn:
            return Reply(tool_calls=[(name, {"query": f"part {number}"}) for number in range(times)])
        return panelist()(request)

    return behave


def tries_again(request: Request) -> Reply:
    """Search once more after a call that was no good, then go on as usual."""
    return Reply(tool_calls=[("web_search", {"query": "bridge"})]) if len(request.called) == 1 else panelist()(request)


def compares() -> Behaviour:
    """Play a judge whose report names real letters, in whatever shape it is asked for."""
    return judge(
        values={"answers": ["A", "B"], "answer": "A", "better_supported": "A"}, schema=strict_schema(JudgeReport)
    )


FAULTS: tuple[Fault, ...] = (
    # A seat's model or its server
    Fault(
        name="a seat's server cannot be reached, or resets the connection",
        at="seat",
        **elsewhere("http://127.0.0.1:9/v1"),
        status="degraded",
        failed={2: "Connect"},
        ledger="connection connection connection",
        told="it is tried twice more; the others answer, and the result is `degraded` and names the seat",
    ),
    Fault(
        name="a seat's server has no address (DNS)",
        at="seat",
        **elsewhere("http://nowhere.invalid/v1"),
        status="degraded",
        failed={2: "Name or service not known|getaddrinfo|nodename"},
        ledger="connection connection connection",
    ),
    Fault(
        name="a seat's model hangs",
        at="seat",
        plays=lambda: faulty(Reply(hang=60.0)),
        settings={"panel_timeout_seconds": 2.5},
        status="degraded",
        failed={2: "no complete answer within 2.5 s"},
        ledger="timeout",
        told="after `panel_timeout_seconds` it is given up, once and not tried again; the others answer",
    ),
    Fault(
        name="a seat is late, and a `quorum` of the others has answered",
        at="seat",
        plays=lambda: faulty(Reply(hang=60.0)),
        settings={"quorum": 2, "grace_seconds": 0.2},
        status="degraded",
        failed={2: "enough others have answered"},
        ledger="timeout",
        told="after `grace_seconds` it is cut; what it has said so far counts as a partial answer",
    ),
    Fault(
        name="a seat's model drips: words come, but too slowly to end",
        at="seat",
        plays=lambda: says(ESSAY, chunk_delay=0.2),
        settings={"panel_timeout_seconds": 2.5},
        status="degraded",
        failed={2: "no complete answer within"},
        answers={2: "^The bridge opened"},
        partial=(2,),
        ledger="timeout",
        told="what came in time counts as a partial answer, labelled; the result is `degraded`",
    ),
    Fault(
        name="a seat is rate limited (429) and told when to come back",
        at="seat",
        plays=lambda: fails(429, 1, {"retry-after": "20"}, then=panelist()),
        ledger="rate_limited answer",
        waited=20.0,
        told="it comes back when it was told to, seconds or a date; the result is `ok`",
    ),
    Fault(
        name="a seat is rate limited with a date to come back",
        at="seat",
        plays=lambda: fails(429, 1, {"retry-after": formatdate(time.time() + 30, usegmt=True)}, then=panelist()),
        ledger="rate_limited answer",
        waited=30.0,
    ),
    Fault(
        name="a seat is told to come back after its time is over",
        at="seat",
        plays=lambda: fails(429, headers={"retry-after": str(DAY)}),
        status="degraded",
        failed={2: "Rate limit"},
        ledger="rate_limited",
        told="it fails at once instead of waiting in vain; the others answer",
    ),
    Fault(
        name="a seat stays rate limited",
        at="seat",
        plays=lambda: fails(429),
        status="degraded",
        failed={2: "Rate limit"},
        ledger="rate_limited rate_limited rate_limited",
    ),
    Fault(
        name="a seat is out of credits (402), its key or request is refused (400, 401, 403), or its model is gone (404)",
        at="seat",
        plays=lambda: fails(402),
        status="degraded",
        failed={2: "Insufficient credits"},
        ledger="payment_required",
        told="it is not tried again; the others answer",
    ),
    Fault(
        name="a seat's quota is used up, which its provider calls 429",
        at="seat",
        plays=lambda: fails(429, error=openai_shape(QUOTA_EXCEEDED)),
        status="degraded",
        failed={2: "exceeded your current quota"},
        ledger="payment_required",
    ),
    *(
        Fault(
            name=name,
            at="seat",
            plays=partial(fails, status),
            status="degraded",
            failed={2: words},
            ledger=ledger,
            told=told,
        )
        for name, status, words, ledger, told in (
            ("a seat's key is refused (401)", 401, "Incorrect API key", "unauthorized", ""),
            ("a seat may not use its model (403)", 403, "not allowed", "unauthorized", ""),
            ("a seat's model does not exist (404)", 404, "does not exist", "not_found", ""),
            ("a seat's request is refused (400)", 400, "Invalid request", "bad_request", ""),
            ("a seat's request is refused (422)", 422, "error", "bad_request", ""),
            ("a seat's server says that it timed out (408)", 408, "timed out", "timeout timeout timeout", ""),
            (
                "a seat's server fails (5xx), or stays rate limited (429)",
                500,
                "had an error",
                "server_error server_error server_error",
                "it is tried twice more; the others answer",
            ),
            ("a seat's server is overloaded (529)", 529, "Overloaded", "server_error server_error server_error", ""),
        )
    ),
    Fault(
        name="a seat's server fails twice, then answers",
        at="seat",
        plays=lambda: fails(503, 2, then=panelist()),
        ledger="server_error server_error answer",
        told="the result is `ok`; the ledger shows all three attempts",
    ),
    Fault(
        name="a seat's connection is reset before any answer",
        at="seat",
        plays=lambda: faulty(Reply(reset_before=True)),
        status="degraded",
        failed={2: "(?i)connection|disconnect|read"},
        ledger="connection connection connection",
    ),
    Fault(
        name="a seat's connection breaks, or an error comes, in the middle of an answer",
        at="seat",
        plays=lambda: says(ESSAY, reset_after_chunks=6),
        status="degraded",
        failed={2: "(?i)connection|peer closed|read"},
        answers={2: "^The bridge opened"},
        partial=(2,),
        ledger="connection connection connection",
        told="it is tried twice more; after that the longest text counts as a partial answer, labelled",
    ),
    Fault(
        name="a seat's connection is reset in the middle of its first answer",
        at="seat",
        plays=lambda: faulty(Reply(text=ESSAY, reset_after_chunks=6), 1, panelist()),
        ledger="connection answer",
    ),
    Fault(
        name="a seat's connection is reset in the middle of an answer nobody listens to",
        at="seat",
        plays=lambda: says(ESSAY, reset_after_chunks=3),
        heard=False,
        status="degraded",
        failed={2: "(?i)connection|peer closed|read"},
        ledger="connection connection connection",
    ),
    Fault(
        name="a stream ends without its end mark (`[DONE]`), but with a finish reason",
        at="seat",
        plays=lambda: lambda request: Reply(text=panelist()(request).text, no_done=True),
        ledger="answer",
    ),
    Fault(
        name="a stream stops in mid-sentence, with neither a finish reason nor an end mark",
        at="seat",
        plays=lambda: stops_midway("The bridge opened in"),
        status="degraded",
        failed={2: "without a finish reason|broke off|breaks off"},
        answers={2: "^The bridge opened in$"},
        partial=(2,),
        ledger="cut",
    ),
    Fault(
        name="an error comes in the middle of a stream that began with 200",
        at="seat",
        plays=lambda: says(ESSAY, error_event_after=6),
        status="degraded",
        failed={2: "sent an error after 200"},
        answers={2: "^The bridge opened"},
        partial=(2,),
        ledger="server_error server_error server_error",
    ),
    Fault(
        name="an error comes as the body of a 200",
        at="seat",
        plays=lambda: says(ESSAY, error_event_after=0),
        heard=False,
        status="degraded",
        failed={2: "sent an error after 200"},
        ledger="server_error server_error server_error",
    ),
    Fault(
        name="a server sends keep-alive comments before its answer",
        at="seat",
        plays=lambda: lambda request: Reply(text=panelist()(request).text, keepalive_comments=20),
        ledger="answer",
    ),
    Fault(
        name="a server sends half a JSON, not streamed",
        at="seat",
        plays=lambda: says(ESSAY, truncated_json=True),
        heard=False,
        status="degraded",
        failed={2: "broken JSON"},
        ledger="server_error server_error server_error",
    ),
    Fault(
        name="a server's stream ends in the middle of a JSON",
        at="seat",
        plays=lambda: says(ESSAY, truncated_json=True),
        status="degraded",
        failed={2: "without a finish reason|broke off|breaks off"},
        answers={2: "^The bridge opened"},
        partial=(2,),
        ledger="cut",
    ),
    *(
        Fault(
            name=name + how,
            at="seat",
            plays=partial(faulty, reply),
            heard=heard,
            status="degraded",
            failed={2: words},
            ledger="server_error server_error server_error",
            told=told if not heard else "",
        )
        for heard, how in ((False, ""), (True, ", streamed"))
        for name, reply, words, told in (
            (
                "a server sends half a JSON, or a page of HTML with status 200",
                Reply(html=True),
                "no completion|without a single chunk",
                "it is tried twice more; nothing of it is taken for an answer",
            ),
            ("a server sends nothing at all with status 200", Reply(empty=True), "server|chunk|JSON", ""),
        )
    ),
    Fault(
        name="a seat's completion is empty, or holds reasoning only",
        at="seat",
        plays=lambda: says(""),
        status="degraded",
        failed={2: "without producing any text"},
        ledger="empty empty",
        told="it is asked once more, because each try is paid for; the others answer",
    ),
    Fault(
        name="a seat's first completion is empty",
        at="seat",
        plays=lambda: faulty(Reply(), 1, panelist()),
        ledger="empty answer",
    ),
    Fault(
        name="a content filter stops a seat, or its model refuses",
        at="seat",
        plays=lambda: says("The bridge", finish_reason="content_filter"),
        status="degraded",
        failed={2: "the model refused"},
        ledger="refusal",
        told="it is not tried again; what it said is no answer; the others answer",
    ),
    Fault(
        name="a seat's model refuses in its own field",
        at="seat",
        plays=lambda: faulty(Reply(refusal="I will not help with that.")),
        status="degraded",
        failed={2: "I will not help"},
        ledger="refusal",
    ),
    Fault(
        name="the output limit cuts a seat's answer",
        at="seat",
        plays=lambda: says("The bridge opened in", finish_reason="length"),
        status="degraded",
        failed={2: "output limit cut"},
        answers={2: "^The bridge opened in$"},
        partial=(2,),
        ledger="cut",
        told="it counts as a partial answer, labelled; raise `max_completion_tokens`",
    ),
    Fault(
        name="a seat spends its whole output limit on reasoning",
        at="seat",
        plays=lambda: faulty(Reply(reasoning="Hm. " * 50, finish_reason="length"), 1, panelist()),
        settings={"max_completion_tokens": 4000},
        ledger="cut answer",
        told="it is asked once more with twice the limit",
    ),
    Fault(
        name="a seat's reasoning never ends",
        at="seat",
        plays=lambda: faulty(Reply(reasoning="Hm. " * 50, finish_reason="length")),
        settings={"max_completion_tokens": 4000},
        status="degraded",
        failed={2: "output limit cut"},
        ledger="cut cut",
    ),
    Fault(
        name="a seat answers with reasoning only",
        at="seat",
        plays=lambda: faulty(Reply(reasoning="It opened in 1932.")),
        status="degraded",
        failed={2: "without producing any text"},
        ledger="empty empty",
    ),
    Fault(
        name="the question does not fit into a seat's context",
        at="seat",
        server={"context_tokens": {"two": 50}},
        status="degraded",
        failed={2: "maximum context length"},
        ledger="context_overflow",
        told="it fails at once; the others answer",
    ),
    # A seat's tools
    Fault(
        name="a seat's model takes no tools",
        at="tool",
        plays=lambda: takes_no_tools(400, "two does not support tools"),
        settings=RESEARCH,
        answers={2: "^On "},
        ledger="bad_request answer",
        told="it is asked without them, and answers from what it knows",
    ),
    Fault(
        name="no server of OpenRouter's takes tools for a seat's model",
        at="tool",
        plays=lambda: takes_no_tools(404, "No endpoints found that support tool use."),
        settings=RESEARCH,
        answers={2: "^On "},
        ledger="bad_request answer",
    ),
    Fault(
        name="a tool's arguments are half a JSON, or there is no such tool",
        at="tool",
        plays=lambda: wire_calls(("call_1", "web_search", '{"query": "bri'), then=tries_again),
        settings=RESEARCH,
        ledger="tool_calls tool_calls tool_calls answer",
        told="the call is not run; the model is told why and calls again",
    ),
    Fault(
        name="a tool's arguments are half a JSON, not streamed",
        at="tool",
        plays=lambda: wire_calls(("call_1", "web_search", '{"query": "bri'), then=tries_again),
        settings=RESEARCH,
        heard=False,
        ledger="tool_calls tool_calls tool_calls answer",
    ),
    Fault(
        name="a tool's arguments are not what it takes",
        at="tool",
        plays=lambda: wire_calls(("call_1", "web_search", '{"qeury": 7}'), then=tries_again),
        settings=RESEARCH,
        ledger="tool_calls tool_calls tool_calls answer",
    ),
    Fault(
        name="a model calls a tool that it was not offered",
        at="tool",
        plays=lambda: wire_calls(("call_1", "send_mail", "{}"), then=tries_again),
        settings=RESEARCH,
        ledger="tool_calls tool_calls tool_calls answer",
    ),
    Fault(
        name="several tool calls of a message have one id",
        at="tool",
        plays=lambda: wire_calls(
            ("call_1", "web_search", '{"query": "bridge"}'), ("call_1", "web_search", '{"query": "span"}')
        ),
        settings=RESEARCH,
        answers={2: "^Done"},
        ledger="tool_calls answer",
        told="each gets an id of its own, and its own result",
    ),
    Fault(
        name="a model calls tools without end",
        at="tool",
        plays=hungry,
        settings=RESEARCH | {"max_tool_calls": 3},
        answers={2: "^All I have so far"},
        ledger="tool_calls tool_calls tool_calls answer",
        told="after `max_tool_calls` rounds it is asked for its answer, without tools",
    ),
    Fault(
        name="a model makes 50 tool calls at once",
        at="tool",
        plays=lambda: uses("web_search", times=50),
        settings=RESEARCH,
        answers={2: "^On "},
        ledger="tool_calls answer",
        told="the first 8 are run; it is told so of the others and may ask again",
    ),
    Fault(
        name="a tool returns ten megabytes",
        at="tool",
        plays=lambda: uses("look_up"),
        tools=(own_tool("look_up", "0123456789" * 1_000_000),),
        ledger="tool_calls answer",
        told="the model gets the first 40,000 characters, and is told how many more there were",
    ),
    Fault(
        name="a tool fails",
        at="tool",
        plays=lambda: uses("look_up"),
        tools=(own_tool("look_up", ToolException("the index is being rebuilt")),),
        ledger="tool_calls answer",
        told="the model is told how, and goes on",
    ),
    Fault(
        name="a tool of yours raises what it should not",
        at="tool",
        plays=lambda: uses("look_up"),
        tools=(own_tool("look_up", ZeroDivisionError("division by zero")),),
        ledger="tool_calls answer",
    ),
    Fault(
        name="what a seat found no longer fits into its context",
        at="tool",
        plays=lambda: uses("look_up", times=3),
        tools=(own_tool("look_up", "0123456789" * 4_000),),
        server={"context_tokens": {"two": 15_000}},
        answers={2: "^On 'When did the bridge open"},
        ledger="tool_calls context_overflow context_overflow answer",
        told="it is asked for its answer, without tools, and with the results shortened if need be",
    ),
    Fault(
        name="one long page does not fit into a seat's small context",
        at="tool",
        plays=lambda: uses("look_up"),
        tools=(own_tool("look_up", "0123456789" * 4_000),),
        server={"context_tokens": {"two": 5_000}},
        answers={2: "^On 'When did the bridge open"},
        ledger="tool_calls context_overflow context_overflow answer",
    ),
    # The whole panel
    Fault(
        name="every seat fails",
        at="panel",
        plays=lambda: fails(500),
        status="error",
        failure_reason="all_panels_failed",
        failed=dict.fromkeys((1, 2, 3), "had an error"),
        ledger="server_error server_error server_error",
        answer="^Written without the panel",
        told='the writer answers alone, labelled "Written without the panel"; the result is an `error`',
    ),
    Fault(
        name="every seat is out of credits, or rate limited",
        at="panel",
        plays=lambda: fails(402),
        status="error",
        failure_reason="insufficient_credits",
        failed=dict.fromkeys((1, 2, 3), "Insufficient credits"),
        ledger="payment_required",
        answer="^Written without the panel",
        told="the same, with a `failure_reason` of its own: `insufficient_credits`, `rate_limited`",
    ),
    Fault(
        name="every seat is rate limited",
        at="panel",
        plays=lambda: fails(429),
        status="error",
        failure_reason="rate_limited",
        failed=dict.fromkeys((1, 2, 3), "Rate limit"),
        ledger="rate_limited rate_limited rate_limited",
        answer="^Written without the panel",
    ),
    Fault(
        name="every seat fails, and the panel is required (`require_panel`)",
        at="panel",
        plays=lambda: fails(500),
        settings={"require_panel": True},
        status="error",
        failure_reason="all_panels_failed",
        failed=dict.fromkeys((1, 2, 3), "had an error"),
        ledger="server_error server_error server_error",
        answer="^$",
        told="nobody else is asked; there is no answer",
    ),
    Fault(
        name="fewer seats answer than `min_answers`",
        at="seat",
        plays=lambda: fails(404),
        settings={"min_answers": 3},
        status="error",
        failure_reason="all_panels_failed",
        failed={2: "does not exist"},
        ledger="not_found",
        reasons="2 of 3 seats answered, 3 are needed",
        told="the result is an `error`; the answer is written from what there is, without a comparison",
    ),
    # The judge
    Fault(
        name="the judge's report is no JSON, another JSON than was asked for, or empty",
        at="judge",
        plays=lambda: says("They all agree, more or less."),
        status="degraded",
        judge_failure="judge_not_valid_json",
        ledger="answer answer",
        told="it is asked once to mend it; then the answer is written without a comparison, and says so",
    ),
    Fault(
        name="the judge's report is another JSON than was asked for",
        at="judge",
        plays=lambda: says('{"winner": "A"}'),
        status="degraded",
        judge_failure="judge_schema_mismatch",
        ledger="answer answer",
    ),
    Fault(
        name="the judge mends its report",
        at="judge",
        plays=lambda: faulty(Reply(text="They all agree."), 1, compares()),
        ledger="answer answer",
    ),
    Fault(
        name="the judge says nothing",
        at="judge",
        plays=lambda: says(""),
        status="degraded",
        judge_failure="judge_empty_completion",
        ledger="empty empty empty empty",
    ),
    Fault(
        name="the output limit cuts the judge's report",
        at="judge",
        plays=lambda: says('{"consensus": [{"point": "It opened in', finish_reason="length"),
        settings={"max_completion_tokens": 4000},
        status="degraded",
        judge_failure="judge_schema_mismatch",
        ledger="cut cut cut",
        told="it gets twice the limit, then one call to mend it; whole points of it are kept",
    ),
    Fault(
        name="the answers do not fit into the judge's context",
        at="judge",
        story=partial(stories.long_answers, chars=100_000),
        server={"context_tokens": {"judge": 40_000}},
        answers=LONG_ANSWERS,
        ledger="context_overflow answer",
        told="they are cut to a quarter; if that is too long too, there is no comparison",
    ),
    Fault(
        name="the answers do not fit into a judge's small context",
        at="judge",
        story=partial(stories.long_answers, chars=12_000),
        server={"context_tokens": {"judge": 6_000}},
        answers=LONG_ANSWERS,
        ledger="context_overflow answer",
    ),
    Fault(
        name="the answers do not fit into the judge's context at all",
        at="judge",
        server={"context_tokens": {"judge": 100}},
        status="degraded",
        judge_failure="judge_upstream_error",
        ledger="context_overflow context_overflow",
    ),
    Fault(
        name="the judge hangs",
        at="judge",
        plays=lambda: faulty(Reply(hang=60.0)),
        settings={"panel_timeout_seconds": 2.5},
        status="degraded",
        judge_failure="judge_upstream_error",
        ledger="timeout",
    ),
    Fault(
        name="the judge's model fails, or hangs",
        at="judge",
        plays=lambda: fails(500),
        status="degraded",
        judge_failure="judge_upstream_error",
        ledger="server_error server_error server_error",
        told="it is tried again while there is time; then the answer is written without a comparison, and says so",
    ),
    Fault(
        name="the judge takes no JSON schema",
        at="judge",
        plays=lambda: when(
            lambda request: request.json_schema is not None,
            refuses(400, "response_format json_schema is not supported"),
            compares(),
        ),
        ledger="bad_request answer",
        told="it is asked in JSON mode, then in plain words",
    ),
    Fault(
        name="the judge refuses to compare",
        at="judge",
        plays=lambda: faulty(Reply(refusal="I will not compare these.")),
        status="degraded",
        judge_failure="judge_upstream_error",
        ledger="refusal",
    ),
    # The writer
    Fault(
        name="the writer's model fails, hangs, refuses, or says nothing",
        at="writer",
        plays=lambda: fails(500),
        status="degraded",
        reasons="openai:judge wrote the answer in the place of openai:writer",
        ledger="server_error server_error server_error answer",
        answer=JUDGE_WROTE,
        told="the judge's model writes in its place, else a seat's; the result is `degraded` and says who wrote",
    ),
    Fault(
        name="the writer's connection breaks in mid-sentence, again and again",
        at="writer",
        plays=lambda: says(ESSAY, reset_after_chunks=6),
        status="degraded",
        reasons="openai:judge wrote the answer in the place of openai:writer",
        ledger="connection connection connection answer",
        answer=JUDGE_WROTE,
        told="the same; the half sentence is taken back",
    ),
    Fault(
        name="the writer's connection breaks in mid-sentence, once",
        at="writer",
        plays=lambda: faulty(Reply(text=ESSAY, reset_after_chunks=6), 1, writer()),
        ledger="connection answer",
    ),
    Fault(
        name="the writer says nothing",
        at="writer",
        plays=lambda: says(""),
        status="degraded",
        reasons="openai:judge wrote the answer",
        ledger="empty empty answer",
        answer=JUDGE_WROTE,
    ),
    Fault(
        name="the writer refuses",
        at="writer",
        plays=lambda: faulty(Reply(refusal="I will not write that.")),
        status="degraded",
        reasons="the model refused",
        ledger="refusal answer",
        answer=JUDGE_WROTE,
    ),
    Fault(
        name="the writer is out of credits",
        at="writer",
        plays=lambda: fails(402),
        status="degraded",
        reasons="Insufficient credits",
        ledger="payment_required answer",
        answer=JUDGE_WROTE,
    ),
    Fault(
        name="the output limit cuts the final answer",
        at="writer",
        plays=lambda: says("The bridge opened in", finish_reason="length"),
        status="degraded",
        reasons="the answer is not complete",
        ledger="cut",
        answer="^The bridge opened in$",
        told="it is given as it is; the result is `degraded` and says that it is not complete",
    ),
    Fault(
        name="the material does not fit into the writer's context",
        at="writer",
        story=partial(stories.long_answers, chars=100_000),
        server={"context_tokens": {"writer": 40_000}},
        answers=LONG_ANSWERS,
        ledger="context_overflow answer",
        told="it gets a quarter of it; if that is too long too, the judge's model writes",
    ),
    Fault(
        name="the material does not fit into a writer's small context",
        at="writer",
        story=partial(stories.long_answers, chars=12_000),
        server={"context_tokens": {"writer": 6_000}},
        answers=LONG_ANSWERS,
        ledger="context_overflow answer",
    ),
    Fault(
        name="the material does not fit into the writer's context at all",
        at="writer",
        server={"context_tokens": {"writer": 100}},
        status="degraded",
        reasons="maximum context length",
        ledger="context_overflow context_overflow answer",
        answer=JUDGE_WROTE,
    ),
    Fault(
        name="the writer hangs",
        at="writer",
        plays=lambda: faulty(Reply(hang=60.0)),
        settings={"panel_timeout_seconds": 2.5},
        status="degraded",
        reasons="no complete answer within",
        ledger="timeout answer",
        answer=JUDGE_WROTE,
    ),
    Fault(
        name="nobody can write: writer, judge and seats fail one after the other",
        at="writer",
        story=stories.nobody_writes,
        status="degraded",
        reasons="writer openai:writer.*openai:judge.*openai:one",
        ledger="server_error server_error server_error " * 3,
        answer="^The writer failed, so this is the panel's best-supported answer as it was given.\n\nOn ",
        told="the best-supported single answer of the panel stands in, labelled; the result is `degraded`",
    ),
    # The store and the machine
    Fault(
        name="the database cannot be opened when a run is to start",
        at="store",
        story=stories.no_database,
        status=None,
        ledger="",
        told="the command says which file and why; nobody is asked, nothing is paid",
    ),
    Fault(
        name="the database cannot be written any more in the middle of a run",
        at="store",
        story=stories.read_only,
        ledger="answer answer answer repeated answer answer",
        told="the run stops before its next call; mend it, and `fusion runs resume` pays only what was in flight",
    ),
    Fault(
        name="the disk is full in the middle of a run",
        at="store",
        story=stories.disk_full,
        ledger="answer answer answer repeated answer answer",
        told="the run stops before its next call; mend it, and `fusion runs resume` pays only what was in flight",
    ),
    Fault(
        name="PostgreSQL goes away in the middle of a run, and comes back",
        at="store",
        story=stories.away,
        ledger="answer answer answer answer answer",
        told="the run waits for up to a minute; then it stops, and a server goes on with it, else `fusion runs resume`",
    ),
    Fault(
        name="Ctrl-C, or the process is killed",
        at="store",
        story=stories.stopped,
        ledger="answer answer answer repeated answer answer",
        told="`fusion runs resume` goes on; only calls in flight are made again, and the ledger shows both",
    ),
    Fault(
        name="two processes work on one run or thread",
        at="store",
        story=stories.two_workers,
        ledger="answer answer answer answer answer",
        told="the second is refused while the first lives; nothing is asked twice",
    ),
    Fault(
        name="a process stalls, another takes its run over, and the first wakes up",
        at="store",
        story=stories.taken_over,
        ledger="answer answer answer repeated answer answer",
        told="the first stops before its next call; the run is the second's",
    ),
    Fault(
        name="the database is busy for a moment while a run's lease is renewed",
        at="store",
        story=stories.missed_beat,
        ledger="answer answer answer answer answer",
    ),
    Fault(
        name="a process died and left its lease",
        at="store",
        story=stories.stale_lease,
        ledger="answer answer answer answer answer",
        told="it is taken over at once on the same machine, after 30 s elsewhere",
    ),
    Fault(
        name="settings or presets change between a stop and `resume`",
        at="store",
        story=stories.other_environment,
        ledger="answer answer answer repeated answer answer",
        told="the run goes on with what it began with",
    ),
    Fault(
        name="the clock jumps an hour ahead during a run",
        at="store",
        story=stories.clock_forward,
        ledger="answer answer answer answer answer",
        told="nothing: limits and durations are measured by another clock",
    ),
    Fault(
        name="the clock jumps an hour back during a run",
        at="store",
        story=stories.clock_back,
        ledger="answer answer answer answer answer",
    ),
    Fault(
        name="the clock is set back between a stop and `resume`",
        at="store",
        story=stories.clock_back_between,
        ledger="answer answer answer answer answer repeated",  # by the clock: what came later is told as earlier
    ),
)
