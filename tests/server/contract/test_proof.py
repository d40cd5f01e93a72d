"""The reader of tests rejects what proves nothing."""

import ast
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.server.conftest import Served
from tests.server.contract.proof import lacks, read


def said(served: Served) -> Any:
    return served.chat().json()


def sent(served: Served) -> httpx.Response:
    return httpx.get(f"{served.url}/v1/models")


def pieces(served: Served) -> Iterator[str]:
    for line in served.chat(stream=True).text.split():
        if line:
            yield line


def sizes(served: Served) -> Iterator[int]:
    yield served.chat().status_code
    yield from [served.chat().status_code]


def holds(told: Any) -> None:
    assert told["choices"]


def five(_told: Any) -> int:
    return 5


NO_REQUEST = [
    "assert served.url == 'http://127.0.0.1'",
    "assert json.loads('{}') == {}",
    "told = {'choices': [1]}; assert told['choices']",
    "assert httpx.get('http://other.example').json() == {}",
    "def never(): return served.chat().json()\n    assert never",
]
NO_BODY = [
    "served.chat()",
    "response = served.chat(); assert response.status_code == 200",
    "assert served.chat().headers['x-should-retry'] == 'false'",
    "response = served.chat(); assert response",
    "response = served.chat(); assert response.json",
    "served.chat().json(); assert served.models.requests == []",
    "served.chat().json(); assert served.asked() == ['judge']",
    "served.chat().json(); assert [r.model for r in served.models.requests]",
    "served.chat(); assert True",
    "told = served.chat().json(); assert 1 == 1",
    "told = served.chat().json(); assert True or told['choices']",
    "told = served.chat().json(); assert told['choices'] or True",
    "told = served.chat().json(); assert told or not served.asked()",
    "told = served.chat().json(); assert told == told",
    "told = served.chat().json(); assert (told, 'it is there')",
    "told = served.chat().json(); assert [told]",
    "told = served.chat().json(); assert lambda: told",
    "told = served.chat().json(); assert (c for c in told['choices'])",
    "told = served.chat().json(); assert f'{told}'",
    "told = served.chat().json(); told = 5; assert told == 5",
    "told, status = served.chat().json(), served.chat().status_code; assert status == 200",
    "told = served.chat().json(); assert five(told) == 5",
    "told = served.chat().json()\n    if served.asked(): assert told['choices']",
    "told = served.chat().json()\n    while False: assert told['choices']",
    "told = served.chat().json()\n    return\n    assert told['choices']",
    "told = served.chat().json()\n    def never(): assert told['choices']",
    "responses = [served.chat() for _ in range(2)]; assert [r.status_code for r in responses] == [200, 200]",
    "assert sent(served).status_code == 200",
    "assert list(sizes(served)) == [200, 200]",
    "found = []; found.append(served.chat().status_code); assert found == [200]",
]
PROOF = [
    "assert served.chat().json()['choices']",
    "told = served.chat().json(); assert told['model'] == 'judge'",
    "assert served.post({}).text.startswith(' ')",
    "response = served.chat(); assert response.status_code == 200 and response.json()",
    "status, told = served.chat().status_code, served.chat().json(); assert told",
    "(choice,) = served.chat().json()['choices']; assert choice['index'] == 0",
    "told = json.loads(served.chat().content); assert not told['error']",
    "told = [served.chat().json() for _ in range(2)]; assert len({each['id'] for each in told}) == 2",
    "first, again = (served.chat() for _ in range(2)); assert first.json()['id'] == again.json()['id']",
    "assert all(line for line in served.chat(stream=True).text.split())",
    "assert sum(1 for line in served.chat(stream=True).text.split() if line) == 2",
    "assert said(served)['choices']",
    "assert sent(served).json()['data']",
    "assert list(pieces(served))",
    "(first, *rest) = pieces(served); assert rest",
    "holds(said(served))",
    "def ask(): return served.chat().json()\n    told = ask(); assert told",
    "found = []; found.append(served.chat()); assert found[0].json()",
    "t = Thread(target=lambda: found.append(served.chat())); found = []; found.append(served.chat()); assert found[0].json()",
    "for choice in served.chat().json()['choices']: assert choice['index'] == 0",
    "with httpx.stream('POST', f'{served.url}/v1') as response: assert list(response.iter_lines())",
    "with httpx.Client(base_url=served.url) as client: assert client.get('/v1/models').json()",
    "started: Served = serve(); assert started.chat().json()",
    "other = serve(keys=['k']); assert other.chat().json()",
    "assert (told := served.chat().json()) and told['id']",
    "told = served.chat().json()\n    if served.asked(): served.chat()\n    assert told['choices']",
    "told: dict = {}; told['x'] = served.chat().json(); assert told['x']",
    "told = ''; told += served.chat().text; assert told",
]


def lacking(body: str) -> str:
    (function,) = ast.parse(f"def test(served: Served, serve: Serve) -> None:\n    {body}\n").body
    assert isinstance(function, ast.FunctionDef)
    return read(function, globals()).lacks


@pytest.mark.parametrize("body", NO_REQUEST)
def test_a_test_without_a_request_is_rejected(body: str) -> None:
    assert lacking(body) == "it sends no request to the server under test"


@pytest.mark.parametrize("body", NO_BODY)
def test_a_test_whose_assertions_do_not_hang_on_a_body_is_rejected(body: str) -> None:
    assert lacking(body) == "it asserts nothing that hangs on the body of a response"


@pytest.mark.parametrize("body", PROOF)
def test_a_test_that_asserts_on_a_body_is_accepted(body: str) -> None:
    assert lacking(body) == ""


def asks_and_looks(served: Served) -> None:
    assert said(served)["choices"]


def asks(served: Served) -> None:
    sent(served)


@pytest.mark.parametrize(("function", "is_proof"), [(asks_and_looks, True), (asks, False)])
def test_a_function_is_read_from_its_module(function: Callable[..., None], is_proof: bool) -> None:  # noqa: FBT001
    assert (lacks(function) == "") is is_proof
