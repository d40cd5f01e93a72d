"""Requests that are one run: keys, retries, what comes again while it goes on; and runs that break off."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from fusion_graph.models.scripted import ScriptedRequest
from tests.server.conftest import Serve, Served, judge_and_writer
from tests.server.contract.asking import message, refused, said
from tests.server.talk import chunks

KEY = {"idempotency-key": "a key"}
RETRY = {"x-stainless-retry-count": "1"}


@pytest.fixture
def served(serve: Serve) -> Served:
    """Return a server of the test's own: it remembers keys."""
    return serve(judge=judge_and_writer)


@pytest.mark.contract("3.41")
def test_a_key_and_a_body_are_one_run(served: Served) -> None:
    first, again = (served.chat(headers=KEY).json() for _ in range(2))

    assert (first["id"], first["choices"], first["usage"]) == (again["id"], again["choices"], again["usage"])
    assert served.asked().count("north") == 1


@pytest.mark.contract("3.44", "3.16")
@pytest.mark.parametrize("other", [{"stream": True}, {"seed": 1}, {"messages": [{"role": "user", "content": "Else?"}]}])
def test_a_key_is_of_one_body(served: Served, other: dict[str, Any]) -> None:
    first = served.chat(headers=KEY)

    response = served.chat(headers=KEY, **other)

    assert message(first)["content"] == "The answer is 1 [1]."
    assert "Idempotency-Key" in refused(response, 422)["message"]
    assert served.asked().count("north") == 1


def broken_off(serve: Serve, **body: Any) -> httpx.Response:
    """Return what a server says that is stopped while it is at work."""
    asked = threading.Event()

    async def waits(_request: ScriptedRequest) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    served = serve(east=waits, judge=judge_and_writer)
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(served.chat(**body)))
    asking.start()
    assert asked.wait(20)
    served.stop()
    asking.join(30)
    return answers[0]


@pytest.mark.contract("3.49", "2.25", "3.11")
def test_a_run_that_broke_off_is_a_whole_completion_with_an_error(serve: Serve) -> None:
    response = broken_off(serve)

    told = response.json()
    (choice,) = told["choices"]
    assert (response.status_code, told["object"], told["model"]) == (200, "chat.completion", "judge")
    assert (type(told["id"]), type(told["created"]), told["system_fingerprint"]) == (str, int, None)
    assert (choice["index"], choice["finish_reason"]) == (0, "error")
    assert (choice["message"]["role"], choice["message"]["content"], choice["message"]["refusal"]) == (
        "assistant",
        "",
        None,
    )
    assert all(isinstance(told["usage"][name], int) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    assert (told["error"]["code"], told["error"]["type"]) == (499, "cancelled")
    assert told["error"]["message"]


@pytest.mark.contract("3.13", "3.14", "2.25")
def test_a_stream_that_broke_off_says_so(serve: Serve) -> None:
    told = chunks(broken_off(serve, stream=True))

    assert said(told).startswith("[fusion: ")
    assert told[-2]["choices"][0]["finish_reason"] == "error"
    assert (told[-2]["error"]["code"], told[-2]["error"]["type"]) == (499, "cancelled")
    assert told[-1]["choices"] == []
