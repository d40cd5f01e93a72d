"""A client or a server that is killed in the middle: the whole answer is there by id, paid once but for calls in flight."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.commands import Cli, Running, own_environ, wait_until
from tests.forked import Forked
from tests.model_server import ModelServer, altered, by_model, judge, panelist, writer
from tests.ports import answers, free_port
from tests.server.responses.asking import Shown, event_of, shown, text_of


def _either(writes: Any) -> Any:
    """A model that compares as the judge, and writes."""

    def behave(asked: Any) -> Any:
        wants_json = asked.response_format or asked.forces_a_tool
        return judge()(asked) if wants_json else writes(asked)

    return behave


PANEL = ["openai:one", "openai:two", "openai:three"]
PLUGIN = {"id": "fusion", "analysis_models": PANEL, "model": "openai:judge"}
OTHERS = ("one", "three")
OUTER = {"judge": _either(writer()), "one": panelist(), "two": panelist(), "three": panelist(), "writer": writer()}


@dataclass
class Server:
    """`fusion serve` as a process that can be killed and started again on the same database."""

    cli: Cli
    db: str | Path
    port: int
    process: Running | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/responses"

    def start(self) -> None:
        self.process = self.cli.start("serve", "--port", str(self.port), "--drain", "0", "--db", str(self.db))
        wait_until(lambda: answers(self.port) or "rror" in self.stderr)
        assert answers(self.port), self.stderr

    @property
    def stderr(self) -> str:
        assert self.process is not None
        return self.process.stderr

    def end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def ask(self, **body: Any) -> dict[str, Any]:
        told: dict[str, Any] = httpx.post(self.url, json=request(**body), timeout=60).json()
        return told

    def fetched(self, response_id: str) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.url}/{response_id}", timeout=60).json()
        return told

    def ended(self, response_id: str) -> dict[str, Any]:
        wait_until(lambda: self.fetched(response_id)["status"] != "in_progress")
        return self.fetched(response_id)

    def follow(self, response_id: str, client: Shown) -> Shown:
        """Follow a response from where a client was cut off."""
        query = {"stream": "true", "starting_after": str(client.last)}
        with httpx.stream("GET", f"{self.url}/{response_id}", params=query, timeout=60) as response:
            return shown(list(stream(response)), client)


def request(**body: Any) -> dict[str, Any]:
    return {"model": "fusion", "plugins": [PLUGIN], "input": "When did the bridge open?", **body}


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


@pytest.fixture
def serving(database: str | Path, server: ModelServer, forked: Forked, tmp_path: Path) -> Iterator[Server]:
    server.settings.behaviour = by_model(OUTER)
    cli = Cli(forked, tmp_path, own_environ(tmp_path, server.url, OPENAI_API_KEY="k", FUSION_SERVER_MODELS="*"))
    serving = Server(cli, database, free_port())
    serving.start()
    yield serving
    serving.end(signal.SIGTERM)


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
def whole(serving: Server, server: ModelServer) -> Undisturbed:
    text = text_of(serving.ask(store=False))
    return Undisturbed(text, Counter(entry.model for entry in server.log), server)


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_killed_in_mid_answer_is_followed_to_the_stored_text(
    serving: Server, server: ModelServer, whole: Undisturbed, killed: signal.Signals
) -> None:
    slow = altered(writer(), chunk_size=4, chunk_delay=0.02, hang_after_chunks=9, hang=60.0)
    server.settings.behaviour = by_model({**OUTER, "judge": _either(slow)})
    client = Shown()

    with httpx.stream("POST", serving.url, json=request(stream=True), timeout=60) as response:
        for event in stream(response):
            client.take(event)
            if sum(map(len, client.texts.values())) > 20 and serving.process:
                server.settings.behaviour = by_model(OUTER)
                serving.end(killed)
    had = dict(client.texts)
    serving.start()
    response_id = client.response["id"]
    client = serving.follow(response_id, client)

    stored = serving.ended(response_id)
    assert had
    assert stored["status"] == client.response["status"] == "completed"
    assert text_of(stored) == client.text == whole.text
    assert client.response == stored
    assert [client.items[item]["status"] for item in client.order] == ["completed", "incomplete", "completed"]
    assert whole.more == Counter({"judge": 1})


@pytest.mark.parametrize("killed", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_in_the_background_goes_on_by_itself_when_its_server_is_there_again(
    serving: Server, server: ModelServer, whole: Undisturbed, killed: signal.Signals
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    begun = serving.ask(background=True)
    wait_until(lambda: whole.since()["two"] > 0 and all(whole.since()[seat] == whole.asked[seat] for seat in OTHERS))
    server.settings.behaviour = by_model(OUTER)

    serving.end(killed)
    serving.start()

    assert begun["status"] == "in_progress"
    stored = serving.ended(begun["id"])
    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert whole.more["two"] == 1
    assert not whole.more - Counter(["one", "two", "three"])  # an answer may have been on its way


def test_a_client_killed_in_mid_stream_leaves_a_run_that_is_there_by_id(serving: Server, whole: Undisturbed) -> None:
    with httpx.stream("POST", serving.url, json=request(stream=True), timeout=60) as response:
        client = shown([next(stream(response))])

    stored = serving.ended(client.response["id"])

    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert not whole.more
    assert serving.follow(stored["id"], client).text == whole.text


def test_the_same_request_again_after_a_kill_goes_on_with_the_run(
    serving: Server, server: ModelServer, whole: Undisturbed
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    with httpx.stream("POST", serving.url, json=request(stream=True), timeout=60) as response:
        first = next(stream(response))["response"]["id"]
        wait_until(lambda: whole.since()["two"] > 0)
        server.settings.behaviour = by_model(OUTER)
        serving.end(signal.SIGKILL)
    serving.start()

    with httpx.stream("POST", serving.url, json=request(stream=True), timeout=60) as response:
        again = list(stream(response))[-1]["response"]

    assert again["id"] == first
    assert again["status"] == "completed"
    assert not whole.more - Counter(["one", "two", "three"])


def test_a_server_killed_after_the_answer_was_asked_for_waits_for_the_whole_panel_again(
    serving: Server, server: ModelServer, whole: Undisturbed
) -> None:
    server.settings.behaviour = by_model({**OUTER, "two": altered(panelist(), hang=60.0)})
    begun = serving.ask(background=True)
    wait_until(lambda: whole.since()["two"] > 0 and all(whole.since()[seat] == whole.asked[seat] for seat in OTHERS))
    server.settings.behaviour = by_model(OUTER)

    told = httpx.post(f"{serving.url}/{begun['id']}/answer_now", timeout=60)
    serving.end(signal.SIGKILL)
    serving.start()

    stored = serving.ended(begun["id"])
    assert told.status_code == 200
    assert (stored["status"], text_of(stored)) == ("completed", whole.text)
    assert [each["model"] for each in stored["output"][0]["responses"]] == PANEL
    assert stored["x_fusion"]["status"] == "ok"
