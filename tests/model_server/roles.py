"""The parts of a fusion run, scripted: a panelist, a judge, a writer, and one model that plays them all."""

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.model_server.behaviours import Text, call, says, when, written
from tests.model_server.sampling import sample, schema_in
from tests.model_server.wire import Behaviour, Reply, Request

Fill: TypeAlias = Callable[[Request], Mapping[str, Any]]

_URL = re.compile(r"https?://[^\s\"'<>)\]}\\,]+")
_LABEL = re.compile(
    r"""(?im)(?:\b(?:answer|label|response|candidate)\b[\s"'=:#(\[]*|^[\s(\[]*)([A-H])(?=[\s"')\].:>]|$)"""
)


def fingerprint(request: Request) -> int:
    """Return a number that only this model gives on this question."""
    return zlib.crc32(f"{request.model}|{request.question}".encode()) % 10_000


def _finding(request: Request) -> str:
    question = " ".join(request.question.split())[:80]
    return f"On {question!r}: the sources agree on the essentials [1]. Only here: figure {fingerprint(request)}."


def panelist(
    answer: Text = _finding,
    *,
    question: Text | None = None,
    search: str = "web_search",
    fetch: str = "web_fetch",
) -> Behaviour:
    """Search once, fetch the first URL found, then answer; a tool that is not offered is not called."""

    def behave(request: Request) -> Reply:
        offered = [name for name in request.tool_names if name not in request.called]
        if search in offered:
            asked = written(question, request) if question else " ".join(request.question.split())[:300]
            return Reply(tool_calls=[call(request, search, query=asked)])
        url = _URL.search("\n".join(request.results(search)))
        if fetch in offered and url:
            return Reply(tool_calls=[call(request, fetch, url=url.group().rstrip("."))])
        return Reply(text=written(answer, request))

    return behave


def labels(request: Request) -> list[str]:
    """Return the labels A to H of the answers in the user message, however they are marked up."""
    return sorted(set(_LABEL.findall(request.question)))


def judge(
    fill: Fill | None = None,
    *,
    values: Mapping[str, Any] | None = None,
    schema: Mapping[str, Any] | None = None,
    prose: bool = False,
) -> Behaviour:
    """Answer JSON in the shape that is asked for: by response_format, or as the arguments of a forced tool.

    The instance is sampled from the schema in the request, else `schema`, else one written out in the prompt, with
    `values` by property name; what `fill` returns replaces its top-level keys. `prose` wraps the text in a sentence
    and a code fence.
    """

    def instance(shape: Mapping[str, Any] | None, request: Request) -> dict[str, Any]:
        sampled = sample(shape, values) if shape else dict(values or {})
        return {**sampled, **(fill(request) if fill else {})}

    def behave(request: Request) -> Reply:
        if tool := request.forced_tool:
            shapes = (t["function"].get("parameters") for t in request.tools if t["function"]["name"] == tool)
            return Reply(tool_calls=[(tool, instance(next(shapes), request))])
        shape = request.json_schema or schema or schema_in(f"{request.system}\n{request.question}")
        text = json.dumps(instance(shape, request))
        return Reply(text=f"Here is the comparison:\n```json\n{text}\n```" if prose else text)

    return behave


def _article(request: Request) -> str:
    cited = sorted(set(re.findall(r"\[\d+\]", request.question)), key=lambda mark: int(mark[1:-1]))
    marks = " ".join(cited[:3]) or "[1]"
    return f"The final answer, in the words of {request.model}: the findings hold {marks}. ({fingerprint(request)})"


def writer(answer: Text = _article) -> Behaviour:
    """Answer a text that cites the first sources named in the prompt."""
    return says(answer)


def _wants_json(request: Request) -> bool:
    return request.forces_a_tool or (request.response_format or {}).get("type") in {"json_object", "json_schema"}


everyone: Behaviour = when(_wants_json, judge(), when(lambda request: bool(request.tools), panelist(), writer()))
