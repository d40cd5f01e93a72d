"""The server against its own /openapi.json: what fits is taken, what does not is refused, and answers are as promised."""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisDeprecationWarning
from jsonschema import Draft202012Validator

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server.sharing import MAX_KEY
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.responses.asking import events
from tests.server.responses.published import check_event
from tests.server.shapes import ANYTHING, Strategy, damaged, fitting

CHAT, RESPONSES, ESTIMATE = "/v1/chat/completions", "/v1/responses", "/v1/fusion/estimate"
SLUGS = ("fusion", "openrouter/fusion", "fusion/demo", "judge", "writer")
MODELS = st.sampled_from(["north", "south", "east", "judge"])
USER = {"role": "user", "content": "What?"}
SETTINGS = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def writes(request: ScriptedRequest) -> Any:
    """Compare as the judge; as the writer call the first tool if there is one, once, else answer."""
    if is_judge(request) or not request.tools or any(message.type == "tool" for message in request.messages):
        return judge_and_writer(request)
    return ScriptedReply(tool_calls=[{"name": request.tools[0]["function"]["name"], "args": {}, "id": "call_1"}])


class Promised:
    """What /openapi.json of a server says."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.client = httpx.Client(base_url=served.url, timeout=60)
        self.document = self.client.get("/openapi.json").json()
        self._bodies = {path: Draft202012Validator(self.body(path)) for path in (CHAT, RESPONSES, ESTIMATE)}

    def close(self) -> None:
        self.client.close()

    def operation(self, path: str, method: str = "get") -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][path][method]
        return found

    def body(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.operation(path, "post")["requestBody"]["content"]["application/json"]["schema"]
        return found

    def fits_body(self, path: str, body: Any) -> bool:
        return bool(self._bodies[path].is_valid(body))

    def check(self, path: str, response: httpx.Response, method: str = "get") -> None:
        """Assert that a response is one that the operation promises."""
        assert response.status_code < 500, response.text
        responses = self.operation(path, method)["responses"]
        content = responses[str(response.status_code)]["content"]
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in content
        if kind == "text/event-stream" and path != CHAT:
            self._check_events(response, responses["200"]["content"]["application/json"]["schema"])
            return
        if kind == "text/event-stream":
            self._check_stream(response.text, content[kind]["x-chunk"])
            return
        self._check(response.json(), content[kind]["schema"])
        if response.status_code >= 400:
            assert response.json()["error"]["code"] == response.status_code
            assert response.json()["error"]["message"]

    def asked(self, path: str, method: str, query: dict[str, Any], **names: str) -> int:
        """Return the status of a response, which is one that the operation promises."""
        response = self.client.request(method.upper(), path.format(**names), params=query)
        self.check(path, response, method)
        return response.status_code

    def _check(self, value: Any, schema: Mapping[str, Any]) -> None:
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)

    def _check_stream(self, text: str, schema: Mapping[str, Any]) -> None:
        *events, done, rest = text.split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        chunks = [json.loads(event.removeprefix("data: ")) for event in events if not event.startswith(": ")]
        for chunk in chunks:
            self._check(chunk, schema)
        reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
        assert len([reason for reason in reasons if reason]) == 1
        assert chunks[-1]["usage"]

    def _check_events(self, response: httpx.Response, schema: Mapping[str, Any]) -> None:
        found = events(response)
        for event in found:
            if "response" in event:  # which repeats whatever the request said
                self._check(event["response"], schema)
            else:
                check_event(event)
        assert not found or "response" in found[-1]


@pytest.fixture
def promised(serve: Serve) -> Iterator[Promised]:
    with closing(Promised(serve(judge=writes, writer=writes))) as promised:
        yield promised


def bodies(promised: Promised, path: str) -> Strategy:
    """Requests that fit, with models, presets and domains that there are."""
    shape = promised.body(path)
    domains = st.lists(st.sampled_from(["example.com", "arxiv.org/abs/2602.11685"]), max_size=2)
    named: dict[str, Strategy] = {
        "model": st.sampled_from(SLUGS),
        "analysis_models": st.lists(MODELS, min_size=1, max_size=8),
        "preset": st.sampled_from(["demo", ""]),
        "allowed_domains": domains,
        "excluded_domains": domains,
        "blocked_domains": domains,
        "arguments": st.sampled_from(["{}", '{"a": [1]}', "no JSON", "[1]", "", None]),
        "previous_response_id": st.none(),
        "step_count": st.integers(1, 40),
        "max_cost_in_dollars": st.floats(0.001, 10.0),
    }
    inner = {**named, "model": MODELS}
    parts = shape["properties"]
    named |= {name: fitting(parts[name], inner) for name in ("plugins", "tools", "tool_choice")}
    named["x_fusion"] = fitting(
        parts["x_fusion"], {**inner, "writer": MODELS, "fallback": MODELS, "tools": st.just([])}
    )
    named |= {spoken_in(path): conversations(spoken(shape, path), named)}
    return fitting(shape, named).map(with_panel)


def spoken_in(path: str) -> str:
    return "messages" if path == CHAT else "input"


def spoken(shape: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the schema of what may be said, a message or an item."""
    said = shape["properties"][spoken_in(path)]
    (lists,) = [branch for branch in said.get("anyOf", [said]) if branch.get("type") == "array"]
    found: dict[str, Any] = lists["items"]
    return found


def conversations(schema: Mapping[str, Any], named: dict[str, Strategy]) -> Strategy:
    """Lists of what may be said, with somebody who asks something in each; or that alone, where it may stand alone."""
    said = st.tuples(st.lists(fitting(schema, {"arguments": named["arguments"]}), max_size=3), st.integers(0, 3))
    return said.map(with_user)


def with_user(drawn: tuple[list[Any], int]) -> list[Any]:
    messages, place = drawn
    return [*messages[:place], USER, *messages[place:]]


def with_panel(body: dict[str, Any]) -> dict[str, Any]:
    """Give a request for fusion the panel that there is, unless it names one itself."""
    tools = [tool.get("parameters") or {} for tool in body.get("tools") or [] if tool["type"] != "function"]
    if any(part.get("analysis_models") and part.get("model") for part in [*tools, *(body.get("plugins") or [])]):
        return body
    plugin = (body.get("plugins") or [{}])[0]
    return body | {"plugins": [plugin | {"tools": [], **PANEL}]}


def makes_sense(body: Mapping[str, Any]) -> bool:
    """Say whether a request that fits asks for what it brings: schemas cannot tell."""
    names = [name_in(tool) for tool in body.get("tools") or [] if tool["type"] == "function"]
    choice = body.get("tool_choice")
    wanted = name_in(choice) if isinstance(choice, dict) and choice["type"] == "function" else None
    is_known = not any(item.get("type") == "item_reference" for item in body.get("input", []))
    options = body.get("x_fusion") or {}
    is_kept = body.get("store") is not False
    is_fetched = is_kept and options.get("on_disconnect") != "cancel"
    is_approved = not options.get("approve") or ("input" in body and is_kept)
    is_called = len(set(names)) == len(names) and "fusion" not in names and (wanted is None or wanted in names)
    return is_called and is_known and is_approved and (is_fetched or not body.get("background"))


def name_in(tool: Mapping[str, Any]) -> str:
    """Return a function's name, as chat completions or responses have it."""
    return str(tool.get("function", tool)["name"])


def samples(strategy: Strategy, number: int) -> list[Any]:
    """Return values of a strategy, the same ones each time for the same imports: hypothesis uses constants it finds there.

    The server draws from the random numbers of this process as well, which hypothesis takes for a fault of the strategy.
    """
    found: list[Any] = []

    @settings(SETTINGS, max_examples=number)
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisDeprecationWarning)
        draw()
    return found


@pytest.mark.parametrize("path", [CHAT, RESPONSES, ESTIMATE])
def test_what_fits_and_makes_sense_is_answered_as_promised(promised: Promised, path: str) -> None:
    fitting_ones = bodies(promised, path).filter(lambda body: promised.fits_body(path, body) and makes_sense(body))

    for body in samples(fitting_ones, 50):
        response = promised.client.post(path, content=json.dumps(body))
        promised.check(path, response, "post")
        assert response.status_code == 200, (body, response.text)


@pytest.mark.parametrize("path", [CHAT, RESPONSES, ESTIMATE])
def test_what_does_not_fit_is_refused_as_promised(promised: Promised, path: str) -> None:
    others = damaged(bodies(promised, path)).filter(lambda body: not promised.fits_body(path, body))

    for body in samples(others, 150):
        response = promised.client.post(path, content=json.dumps(body))
        promised.check(path, response, "post")
        assert 400 <= response.status_code < 500, (body, response.text)
    assert promised.served.models.requests == []


@pytest.mark.parametrize("path", [CHAT, RESPONSES, ESTIMATE])
def test_whatever_is_sent_is_answered_as_promised(promised: Promised, path: str) -> None:
    for body in samples(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()), 60):
        response = promised.client.post(path, content=body)
        promised.check(path, response, "post")
        assert response.status_code == 400, body


def test_what_is_done_with_a_response_is_answered_as_promised(promised: Promised) -> None:
    told = promised.client.post(RESPONSES, json={"model": "judge", "input": "What?"}).json()
    ways = ("", "/input_items", "/cancel", "/answer_now")
    one, items, cancel, answer_now = (f"{RESPONSES}/{{response_id}}{rest}" for rest in ways)
    asked: list[tuple[str, str, dict[str, Any]]] = [
        (one, "get", {}),
        (one, "get", {"stream": "true"}),
        (one, "get", {"stream": "true", "starting_after": 10**9}),
        (one, "get", {"include[]": ["fusion_call.work"]}),
        (one, "get", {"stream": "perhaps"}),
        (items, "get", {}),
        (items, "get", {"limit": 0}),
        (answer_now, "post", {}),
        (cancel, "post", {}),
        (one, "delete", {}),
        *((place, "get", {}) for place in (one, items)),
        (cancel, "post", {}),
        (answer_now, "post", {}),
        (one, "delete", {}),
    ]

    statuses = [promised.asked(*each, response_id=told["id"]) for each in asked]

    assert statuses == [200, 200, 200, 200, 400, 200, 400, 409, 200, 200, 404, 404, 404, 404, 404]


def test_the_room_beside_responses_is_answered_as_promised(promised: Promised) -> None:
    plugins = [{**PANEL, "model": "writer"}]
    parent = promised.client.post(RESPONSES, json={"model": "fusion", "plugins": plugins, "input": "What?"}).json()
    ways = ("/details", "/differences/{other}", "/fork", "/resume")
    details, differences, fork, resume = (f"{RESPONSES}/{{response_id}}{rest}" for rest in ways)
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("/v1/fusion", "get", {}),
        ("/v1/fusion/models", "get", {"q": "demo", "limit": 3}),
        ("/v1/fusion/models", "get", {"limit": 0}),
        (RESPONSES, "get", {}),
        (RESPONSES, "get", {"limit": 0}),
        (details, "get", {}),
        (details, "get", {"format": "else"}),
        (differences, "get", {}),
        (resume, "post", {}),
        (fork, "post", {}),
    ]

    statuses = [promised.asked(*each, response_id=parent["id"], other=parent["id"]) for each in asked]

    assert statuses == [200, 200, 400, 200, 400, 200, 400, 200, 409, 400]
    sent: list[dict[str, Any]] = [{"writer": "judge"}, {"estimate": True}, {"panel": []}, {"judge": "nobody"}]
    for body in [*sent, {"writer": "judge", "estimate": True}]:
        promised.check(fork, promised.client.post(fork.format(response_id=parent["id"]), json=body), "post")


def nested(levels: int) -> Any:
    return json.loads("[" * levels + "]" * levels)


FUNCTION = {"type": "function", "function": {"name": "order"}}
SMUGGLED = {"type": "openrouter:web_search", "parameters": {"name": "mcp:files"}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"messages": [{"role": "user", "content": "\ud83d"}]}, "messages"),
    ({"plugins": [PANEL | {"\ud83d": 1}]}, "plugins"),
    ({"metadata": nested(200)}, "metadata"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"x": 2**64}}}]}, "tools"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"x": float("nan")}}}]}, "tools"),
    ({"tools": [{"type": "function", "function": "order"}]}, "tools.0.function"),
    ({"tools": [FUNCTION, FUNCTION]}, "tools.1.function.name"),
    ({"tools": [FUNCTION], "tool_choice": {"type": "function", "function": "order"}}, "tool_choice"),
    ({"plugins": [PANEL | {"tools": [{"type": "web_search", "parameters": "x"}]}]}, "tools.0.parameters"),
    ({"plugins": [PANEL | {"tools": [SMUGGLED]}]}, "tools.0.parameters"),
    ({"response_format": {"type": []}}, "response_format.type"),
    ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
    ({"stop": {}}, "stop"),
    ({"stop": [5]}, "stop"),
]


@pytest.mark.parametrize(("body", "param"), REFUSED)
def test_what_once_broke_the_server_is_refused_and_nobody_is_asked(
    served: Served, body: dict[str, Any], param: str
) -> None:
    whole = {"model": "fusion", "plugins": [PANEL], "messages": [USER], **body}

    response = httpx.post(served.url + CHAT, content=json.dumps(whole))

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert served.models.requests == []


def test_arguments_of_calls_that_are_too_deep_stay_a_text(served: Served) -> None:
    for arguments in ("[" * 100_000, json.dumps({"a": nested(900)}), '{"a": NaN}'):
        call = {"id": "c", "type": "function", "function": {"name": "order", "arguments": arguments}}
        messages = [USER, {"role": "assistant", "tool_calls": [call]}]
        messages += [{"role": "tool", "tool_call_id": "c", "content": "served"}]

        assert served.post({"model": "judge", "plugins": None, "messages": messages}).status_code == 200


def test_headers_may_hold_anything_that_headers_can(promised: Promised) -> None:
    texts = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=300)
    names = [header["name"] for header in promised.operation(CHAT, "post")["parameters"]]
    names += ["authorization", "accept", "content-type"]

    for headers in samples(st.fixed_dictionaries({}, optional=dict.fromkeys(names, texts)), 30):
        body = {"model": "judge", "messages": [USER], "max_tokens": 5}
        response = promised.client.post(CHAT, content=json.dumps(body), headers=headers)
        promised.check(CHAT, response, "post")
        assert response.status_code == (400 if len(headers.get("Idempotency-Key", "")) > MAX_KEY else 200), headers


def test_models_and_health_are_as_promised(promised: Promised) -> None:
    listed = promised.client.get("/v1/models")

    for path in ("/healthz", "/readyz"):
        promised.check(path, promised.client.get(path))
    promised.check("/v1/models", listed)
    for model in listed.json()["data"]:
        one = promised.client.get(f"/v1/models/{quote(model['id'], safe='')}")
        promised.check("/v1/models/{name}", one)
        assert one.json() == model


def test_names_of_no_model_are_not_found(promised: Promised) -> None:
    unknown = st.text(min_size=1, max_size=40).filter(lambda name: name.strip("./?#") and name not in SLUGS)

    for name in samples(unknown, 40):
        response = promised.client.get(f"/v1/models/{quote(name, safe='')}")
        promised.check("/v1/models/{name}", response)
        assert response.status_code == 404, name


def test_another_method_or_path_is_refused_in_the_shape_of_errors(promised: Promised) -> None:
    known = {("/healthz", "GET"), ("/v1/models", "GET"), ("/v1/models/fusion", "GET"), (CHAT, "POST")}
    known |= {(RESPONSES, "POST"), (f"{RESPONSES}/a/input_items", "GET"), (f"{RESPONSES}/a/cancel", "POST")}
    known |= {("/", "GET"), ("/", "HEAD")}  # the page
    known |= {(RESPONSES, "GET"), ("/v1/fusion", "GET"), (ESTIMATE, "POST"), (f"{RESPONSES}/a/fork", "POST")}
    responses = (RESPONSES, *(f"{RESPONSES}/a/{rest}" for rest in ("input_items", "cancel", "fork", "b")))
    paths = (
        "/healthz",
        "/v1/models",
        "/v1/models/fusion",
        CHAT,
        "/v1/nothing",
        "/",
        "/v1/fusion",
        ESTIMATE,
        *responses,
    )
    asked = {
        (path, method) for path in paths for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD")
    }

    for path, method in sorted(asked - known):
        response = promised.client.request(method, path)
        assert response.status_code in {404, 405}
        assert response.headers["content-type"] == "application/json"
        assert method == "HEAD" or response.json()["error"]["code"] == response.status_code


@pytest.mark.parametrize("keys", [[], ["a-key-that-nobody-guesses"]])
def test_the_document_asks_for_a_key_where_the_server_does(serve: Serve, keys: list[str]) -> None:
    with closing(Promised(serve(keys=keys))) as promised:
        check_security(promised, keys)


def check_security(promised: Promised, keys: list[str]) -> None:
    secured = {
        path: {"security" in operation for operation in operations}
        for path, operations in _operations(promised).items()
    }
    paths = ("/v1/models", "/v1/models/{name}", CHAT, RESPONSES, "/v1/fusion", "/v1/fusion/models", ESTIMATE)
    ways = ("", "/cancel", "/input_items", "/answer_now", "/resume", "/fork", "/details", "/differences/{other}")
    of_one = (f"{RESPONSES}/{{response_id}}{rest}" for rest in ways)
    opened = {"/healthz": {False}, "/readyz": {False}, "/metrics": {bool(keys)}}
    assert secured == opened | {path: {bool(keys)} for path in (*paths, *of_one)}
    if keys:
        assert promised.document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, method in (("/v1/models", "get"), (CHAT, "post"), (RESPONSES, "post")):
            promised.check(path, promised.client.request(method, path), method)


def _operations(promised: Promised) -> dict[str, list[dict[str, Any]]]:
    return {path: list(methods.values()) for path, methods in promised.document["paths"].items()}


def test_the_document_promises_nothing_in_the_shape_of_the_framework(served: Served) -> None:
    told = httpx.get(f"{served.url}/openapi.json").text

    assert "HTTPValidationError" not in told
    assert "#/$defs" not in told
