"""Behaviours to script a provider with. Each is a pure function of the request, safe for concurrent ones."""

import fnmatch
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from tests.model_server.sampling import sample
from tests.model_server.wire import Behaviour, Reply, Request

Text: TypeAlias = str | Callable[[Request], str]


def written(text: Text, request: Request) -> str:
    return text if isinstance(text, str) else text(request)


def says(text: Text, **reply: Any) -> Behaviour:
    """Answer a text; further keywords are fields of the Reply."""
    return lambda request: Reply(text=written(text, request), **reply)


def by_model(behaviours: Mapping[str, Behaviour], otherwise: Behaviour | None = None) -> Behaviour:
    """Play another behaviour per model glob, the first that matches; a model nobody plays is a 404."""

    def behave(request: Request) -> Reply:
        matches = (found for glob, found in behaviours.items() if fnmatch.fnmatchcase(request.model, glob))
        found = next(matches, otherwise)
        return found(request) if found else Reply(status=404)

    return behave


def when(condition: Callable[[Request], bool], then: Behaviour, otherwise: Behaviour) -> Behaviour:
    """Play one of two behaviours."""
    return lambda request: (then if condition(request) else otherwise)(request)


def altered(behaviour: Behaviour, **changes: Any) -> Behaviour:
    """Change fields of another behaviour's replies: add a delay, a price or a fault to it."""
    return lambda request: replace(behaviour(request), **changes)


def fails(
    status: int,
    n_times: int | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    error: Any = None,
    then: Behaviour | None = None,
) -> Behaviour:
    """Fail with a status, each model `n_times` and `then` well; None fails for ever."""
    return faulty(Reply(status=status, headers=headers or {}, error=error), n_times, then)


def faulty(reply: Reply, n_times: int | None = None, then: Behaviour | None = None) -> Behaviour:
    """Send the same reply, for instance one with a fault, to each model `n_times`; afterwards play `then`."""
    seen: Counter[str] = Counter()
    lock = threading.Lock()

    def behave(request: Request) -> Reply:
        with lock:
            seen[request.model] += 1
            failing = n_times is None or seen[request.model] <= n_times
        return reply if failing else (then or says("recovered"))(request)

    return behave


def call(request: Request, name: str, **args: Any) -> tuple[str, dict[str, Any]]:
    """Return a call of an offered tool; arguments it requires and the caller does not give are sampled."""
    schema = next(tool["function"].get("parameters", {}) for tool in request.tools if tool["function"]["name"] == name)
    required = {key: schema["properties"][key] for key in schema.get("required", []) if key not in args}
    return name, sample({**schema, "type": "object", "properties": required}) | args


def client_tool_caller(name: str, args: Mapping[str, Any], then: Text = "Done.") -> Behaviour:
    """Call a tool with these arguments once per turn if it is offered, then answer."""

    def behave(request: Request) -> Reply:
        if name in request.tool_names and name not in request.called:
            return Reply(tool_calls=[(name, args)])
        return Reply(text=written(then, request))

    return behave


def hungry(name: str = "web_search", per_step: int = 1, answer: Text = "All I have so far [1].") -> Behaviour:
    """Call a tool as long as one is offered; answer only when none is left."""

    def behave(request: Request) -> Reply:
        if name not in request.tool_names:
            return Reply(text=written(answer, request))
        first = len(request.called) + 1
        calls = [call(request, name, query=f"attempt {number}") for number in range(first, first + per_step)]
        return Reply(tool_calls=calls)

    return behave


def wire_calls(*calls: tuple[str, str, str], then: Behaviour | None = None) -> Behaviour:
    """Call tools once with exactly these (id, name, arguments), which need be no JSON; then play `then`.

    The response is written by hand, so its id is `raw-MODEL-ORDINAL` and not the one in the server's log.
    """
    functions = [{"name": name, "arguments": arguments} for _, name, arguments in calls]
    whole = [
        {"index": index, "id": call[0], "type": "function", "function": function}
        for index, (call, function) in enumerate(zip(calls, functions, strict=True))
    ]

    def behave(request: Request) -> Reply:
        if request.turn or not request.tool_names:
            return (then or says("Done."))(request)
        return Reply(raw=_by_hand(request, {"role": "assistant", "content": None, "tool_calls": whole}, "tool_calls"))

    return behave


def stops_midway(text: Text) -> Behaviour:
    """Stream a text that ends without a finish reason and without an end mark, over a connection that ends well."""
    return lambda request: Reply(raw=_by_hand(request, {"role": "assistant", "content": written(text, request)}, None))


def _by_hand(request: Request, message: Mapping[str, Any], finish: str | None) -> bytes:
    head = {"id": f"raw-{request.model}-{request.ordinal}", "created": 0, "model": request.model}
    choice = {"index": 0, "delta" if request.stream else "message": message, "finish_reason": finish}
    if not request.stream:
        return json.dumps(head | {"object": "chat.completion", "choices": [choice]}).encode()
    end = "data: [DONE]\n\n" if finish else ""
    return f"data: {json.dumps(head | {'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n{end}".encode()
