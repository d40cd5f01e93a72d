"""A client or a server that is killed in the middle: the whole answer is there by id, paid once but for calls in flight."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.commands import wait_until
from tests.model_server import ModelServer, altered, by_model, panelist, writer
from tests.server.responses.asking import Shown, event_of, shown, text_of
from tests.server.restarting import OUTER, PANEL, Server, either, request

OTHERS = ("one", "three")


def stream(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream until it ends or breaks off."""
    block: list[str] = []
    with suppress(httpx.HTTPError):
        for line in response.iter_lines():
            if line:
                block.append(line)
            else:
                if len(block) == 2:
                    yield event_of("\n".join(block))
                block = []


def follow(process: Server, response_id: str, client: Shown) -> Shown:
    """Follow a response from where a client was cut off."""
    query = {"stream": "true", "starting_after": str(client.last)}
    with httpx.stream("GET", f"{process.responses}/{response_id}", params=query, timeout=60) as response:
        return shown(list(stream(response)), client)


@dataclass
class Undisturbed:
    """A run that nothing happened to: its answer, and how often each model was asked."""

    text: str
    asked: Counter[str]
    server: ModelServer

    def since(self) -> Counter[str]:
        """Return how often each model has been asked since."""
        return Counter(entry.model for entry in self.server.log) - self.asked

    @property
    def more(self) -> Counter[str]:
        """How much oftener each model has been asked since than for this run."""
        return self.since() - self.asked


@pytest.fixture
def whole(process: Server, server: ModelServer) -> Undisturbed:
    text = text_of(process.ask(store=False))
    return Undisturbed(text, Counter(entry.model for entry in server.log), server)


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_killed_in_mid_answer_is_followed_to_the_stored_text(
    process: Server, server: ModelServer, whole: Undisturbed, killed: signal.Signals
) -> None:
    slow = altered(writer(), chunk_size=4, chunk_delay=0.02, hang_after_chunks=9, hang=60.0)
    server.settings.behaviour = by_model({**OUTER, "judge": either(slow)})
    client = Shown()

    with httpx.stream("POST", process.responses, json=request(stream=True), timeout=60) as response:
        for event in stream(response):
            client.take(event)
            if sum(map(len, client.texts.values())) > 20:
                server.settings.behaviour = by_model(OUTER)
                process.end(killed)
    had = dict(client.texts)
    process.start()
    response_id = client.response["id"]
    client = follow(process, response_id, client)

    stored = process.ended(response_id)
    assert had
    assert stored["status"] == client.response["status"] == "completed"
    assert text_of(stored) == client.text == whole.text
    assert client.response == stored
    assert [client.items[item]["status"] for item in client.order] == ["completed", "incomplete", "completed"]
    assert whole.more == Counter({"judge": 1})


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_in_the_background_goes_on_by_itself_when_its_server_is_there_again(
    process: Server, server: ModelServer, whole: Undisturbed, killed: signal.Signals
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    begun = process.ask(background=True)
    wait_until(lambda: whole.since()["two"] > 0 and all(whole.since()[seat] == whole.asked[seat] for seat in OTHERS))
    server.settings.behaviour = by_model(OUTER)

    process.end(killed)
    process.start()

    assert begun["status"] == "in_progress"
    stored = process.ended(begun["id"])
    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert whole.more["two"] == 1
    assert not whole.more - Counter(["one", "two", "three"])  # an answer may have been on its way


def test_a_client_killed_in_mid_stream_leaves_a_run_that_is_there_by_id(process: Server, whole: Undisturbed) -> None:
    with httpx.stream("POST", process.responses, json=request(stream=True), timeout=60) as response:
        client = shown([next(stream(response))])

    stored = process.ended(client.response["id"])

    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert not whole.more
    assert follow(process, stored["id"], client).text == whole.text


def test_the_same_request_again_after_a_kill_goes_on_with_the_run(
    process: Server, server: ModelServer, whole: Undisturbed
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    with httpx.stream("POST", process.responses, json=request(stream=True), timeout=60) as response:
        first = next(stream(response))["response"]["id"]
        wait_until(lambda: whole.since()["two"] > 0)
        server.settings.behaviour = by_model(OUTER)
        process.end(signal.SIGKILL)
    process.start()

    with httpx.stream("POST", process.responses, json=request(stream=True), timeout=60) as response:
        again = list(stream(response))[-1]["response"]

    assert again["id"] == first
    assert again["status"] == "completed"
    assert not whole.more - Counter(["one", "two", "three"])


def test_a_server_killed_after_the_answer_was_asked_for_waits_for_the_whole_panel_again(
    process: Server, server: ModelServer, whole: Undisturbed
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    begun = process.ask(background=True)
    wait_until(lambda: whole.since()["two"] > 0 and all(whole.since()[seat] == whole.asked[seat] for seat in OTHERS))
    server.settings.behaviour = by_model(OUTER)

    told = httpx.post(f"{process.responses}/{begun['id']}/answer_now", timeout=60)
    process.end(signal.SIGKILL)
    process.start()

    stored = process.ended(begun["id"])
    assert told.status_code == 200
    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert [each["model"] for each in stored["output"][0]["responses"]] == PANEL
    assert stored["x_fusion"]["status"] == "ok"
