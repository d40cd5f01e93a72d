"""The server against its own /openapi.json: what fits is taken, what does not is refused, and answers are as promised."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server.sharing import MAX_KEY
from tests.server.conftest import PANEL, Serve, Served, is_judge, judge_and_writer
from tests.server.shapes import ANYTHING, Strategy, damaged, fitting

CHAT = "/v1/chat/completions"
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
        self._body = Draft202012Validator(self.body)

    def close(self) -> None:
        self.client.close()

    def operation(self, path: str, method: str = "get") -> dict[str, Any]:
        found: dict[str, Any] = self.document["paths"][path][method]
        return found

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = self.operation(CHAT, "post")["requestBody"]["content"]["application/json"]["schema"]
        return found

    def fits_body(self, body: Any) -> bool:
        return bool(self._body.is_valid(body))

    def check(self, path: str, response: httpx.Response, method: str = "get") -> None:
        """Assert that a response is one that the operation promises."""
        assert response.status_code < 500, response.text
        responses = self.operation(path, method)["responses"]
        content = responses[str(response.status_code)]["content"]
        kind = response.headers["content-type"].partition(";")[0]
        assert kind in content
        if kind == "text/event-stream":
            self._check_stream(response.text, content[kind]["x-chunk"])
            return
        self._check(response.json(), content[kind]["schema"])
        if response.status_code >= 400:
            assert response.json()["error"]["code"] == response.status_code
            assert response.json()["error"]["message"]

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


@pytest.fixture
def promised(serve: Serve) -> Iterator[Promised]:
    with closing(Promised(serve(judge=writes, writer=writes))) as promised:
        yield promised


def bodies(promised: Promised) -> Strategy:
    """Requests that fit, with models, presets and domains that there are."""
    message = promised.body["properties"]["messages"]["items"]
    domains = st.lists(st.sampled_from(["example.com", "arxiv.org/abs/2602.11685"]), max_size=2)
    named: dict[str, Strategy] = {
        "model": st.sampled_from(SLUGS),
        "messages": st.tuples(st.lists(fitting(message, {}), max_size=3), st.integers(0, 3)).map(with_user),
        "analysis_models": st.lists(MODELS, min_size=1, max_size=8),
        "preset": st.sampled_from(["demo", ""]),
        "allowed_domains": domains,
        "excluded_domains": domains,
        "blocked_domains": domains,
        "arguments": st.sampled_from(["{}", '{"a": [1]}', "no JSON", "[1]", "", None]),
    }
    inner = {**named, "model": MODELS}
    parts = promised.body["properties"]
    named |= {name: fitting(parts[name], inner) for name in ("plugins", "tools", "tool_choice")}
    return fitting(promised.body, named).map(with_panel)


def with_user(drawn: tuple[list[Any], int]) -> list[Any]:
    messages, place = drawn
    return [*messages[:place], USER, *messages[place:]]


def with_panel(body: dict[str, Any]) -> dict[str, Any]:
    """Give a request for fusion the panel that there is, unless it names one itself."""
    tools = [tool.get("parameters") or {} for tool in body.get("tools") or [] if "function" not in tool]
    if any(part.get("analysis_models") and part.get("model") for part in [*tools, *(body.get("plugins") or [])]):
        return body
    plugin = (body.get("plugins") or [{}])[0]
    return body | {"plugins": [plugin | {"tools": [], **PANEL}]}


def makes_sense(body: Mapping[str, Any]) -> bool:
    """Say whether a request that fits asks for what it brings: schemas cannot tell."""
    names = [tool["function"]["name"] for tool in body.get("tools") or [] if tool["type"] == "function"]
    choice = body.get("tool_choice")
    wanted = choice["function"]["name"] if isinstance(choice, dict) and choice["type"] == "function" else None
    return len(set(names)) == len(names) and "fusion" not in names and (wanted is None or wanted in names)


def samples(strategy: Strategy, number: int) -> list[Any]:
    """Return values of a strategy, always the same ones, drawn before the server has any work.

    It draws from the random numbers of this process as well, which hypothesis takes for a fault of the strategy.
    """
    found: list[Any] = []

    @settings(SETTINGS, max_examples=number)
    @given(strategy)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return found


def test_what_fits_and_makes_sense_is_answered_as_promised(promised: Promised) -> None:
    fitting_ones = bodies(promised).filter(lambda body: promised.fits_body(body) and makes_sense(body))

    for body in samples(fitting_ones, 50):
        response = promised.client.post(CHAT, content=json.dumps(body))
        promised.check(CHAT, response, "post")
        assert response.status_code == 200, (body, response.text)


def test_what_does_not_fit_is_refused_as_promised(promised: Promised) -> None:
    others = damaged(bodies(promised)).filter(lambda body: not promised.fits_body(body))

    for body in samples(others, 150):
        response = promised.client.post(CHAT, content=json.dumps(body))
        promised.check(CHAT, response, "post")
        assert 400 <= response.status_code < 500, (body, response.text)
    assert promised.served.models.requests == []


def test_whatever_is_sent_is_answered_as_promised(promised: Promised) -> None:
    for body in samples(st.binary(max_size=60) | ANYTHING.map(lambda value: json.dumps(value).encode()), 60):
        response = promised.client.post(CHAT, content=body)
        promised.check(CHAT, response, "post")
        assert response.status_code == 400, body


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

    promised.check("/healthz", promised.client.get("/healthz"))
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
    paths = ("/healthz", "/v1/models", "/v1/models/fusion", CHAT, "/v1/nothing", "/")
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
    secured = {path: "security" in operation for path, (operation,) in _operations(promised).items()}
    assert secured == {"/healthz": False, "/v1/models": bool(keys), "/v1/models/{name}": bool(keys), CHAT: bool(keys)}
    if keys:
        assert promised.document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, method in (("/v1/models", "get"), (CHAT, "post")):
            promised.check(path, promised.client.request(method, path), method)


def _operations(promised: Promised) -> dict[str, list[dict[str, Any]]]:
    return {path: list(methods.values()) for path, methods in promised.document["paths"].items()}


def test_the_document_promises_nothing_in_the_shape_of_the_framework(served: Served) -> None:
    told = httpx.get(f"{served.url}/openapi.json").text

    assert "HTTPValidationError" not in told
    assert "#/$defs" not in told
