"""Chat pages on LangGraph's JavaScript SDK, such as Agent Chat UI: at every moment they show the conversation, no more.

They take the values of a subgraph for the thread's, and show every message that is streamed, the panel's too.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk.client import SyncLangGraphClient

from tests.langgraph_server.asking import QUESTION
from tests.langgraph_server.dev import Dev
from tests.system import required

Shown = list[tuple[str, str]]
HIDDEN = "do-not-render-"
APPROVED = {"decisions": [{"type": "approve"}]}
DEMO: dict[str, Any] = {"preset": "demo"}
TURNS: list[dict[str, Any]] = [
    {"id": "first", "text": QUESTION, "context": DEMO},
    {"id": "second", "text": "What does a panel of models cost?", "context": DEMO | {"approve": True}},
    {"resume": APPROVED},
    {"id": "third", "text": "Is agreement proof?", "context": DEMO | {"approve": True}},
    {"resume": APPROVED},
]
PACKAGES = ("@langchain/langgraph-sdk@2.0.0", "@langchain/core@1.4.0", "react@19", "react-test-renderer@19")


class Page:
    """What such a page does with the parts of a stream: `StreamManager` of the SDK, in Python."""

    def __init__(self) -> None:
        self._messages: list[dict[str, Any]] = []
        self._pieces: dict[str, tuple[dict[str, Any], int]] = {}
        self.streamed: set[str] = set()  # ids of messages that came by themselves

    @property
    def shown(self) -> Shown:
        """What can be read."""
        drawn = [message for message in self._messages if not str(message.get("id")).startswith(HIDDEN)]
        return [(message["type"], _text(message["content"])) for message in drawn]

    def take(self, event: str, data: Any) -> None:
        """Follow one part of a stream."""
        kind = event.partition("|")[0]
        if kind == "values" and "__interrupt__" not in data:
            self._messages = list(data.get("messages", []))
        elif kind == "messages":
            self._add(data[0])

    def _add(self, message: dict[str, Any]) -> None:
        key = message["id"]
        before, place = self._pieces.get(key, (None, len(self._messages)))
        text = (_text(before["content"]) if before else "") + _text(message["content"])
        whole = message | {"type": message["type"].removesuffix("MessageChunk").lower(), "content": text}
        self._pieces[key] = whole, place
        self.streamed.add(key)
        self._messages[place : place + 1] = [whole]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part["text"] for part in content)


def follow(client: SyncLangGraphClient, page: Page) -> Iterator[Shown]:
    """Ask all questions as such a page does; yield what it shows after every part of every stream."""
    thread = client.threads.create()["thread_id"]
    for turn in TURNS:
        message = {"id": turn.get("id"), "type": "human", "content": [{"type": "text", "text": turn.get("text", "")}]}
        said: Any = (
            {"command": {"resume": APPROVED}}
            if "resume" in turn
            else {"input": {"messages": [message], "context": turn["context"]}, "context": turn["context"]}
        )
        modes: Any = ["values", "messages-tuple", "updates", "custom"]
        for part in client.runs.stream(thread, "fusion", stream_mode=modes, stream_subgraphs=True, **said):
            assert part.event != "error", part.data
            page.take(part.event, part.data)
            yield page.shown


def since_the_first_question(moments: Iterable[Shown]) -> list[Shown]:
    """Return all but the empty pages at the beginning."""
    return list(dropwhile(lambda shown: not shown, moments))


def grows_as_a_conversation(moments: list[Shown]) -> None:
    """Questions and answers come one after another, answers in pieces; where one is due, a plan may stand for a time."""
    whole = moments[-1]
    assert [kind for kind, _ in whole] == ["human", "ai"] * 3
    settled = 0
    for shown in moments:
        last = shown[-1:] if len(shown) > settled and shown != whole[: len(shown)] else []
        assert shown[: len(shown) - len(last)] == whole[: len(shown) - len(last)], shown
        for kind, text in last:
            assert kind == "ai"
            assert whole[len(shown) - 1][1].startswith(text) or "3 seats" in text
        assert len(shown) - len(last) >= settled, "what was shown is gone"
        settled = len(shown) - len(last)


def test_at_every_moment_a_page_shows_the_conversation_and_no_more(client: SyncLangGraphClient) -> None:
    page = Page()

    moments = since_the_first_question(follow(client, page))

    grows_as_a_conversation(moments)
    assert {len(shown) for shown in moments if "3 seats" in shown[-1][1]} == {4, 6}
    assert sum(key.startswith(HIDDEN) for key in page.streamed) > 9  # the panel's own: calls and results of its tools


@pytest.mark.clients
@pytest.mark.timeout(400)
def test_the_sdks_own_hook_shows_the_conversation_and_no_more(dev: Dev, tmp_path: Path) -> None:
    node, npm = required("node", "nodejs"), required("npm", "npm")
    shutil.copy(Path(__file__).parent / "chat_page.mjs", tmp_path)
    (tmp_path / "package.json").write_text("{}")
    fetch = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]
    subprocess.run(fetch, cwd=tmp_path, check=True, capture_output=True)

    plan = json.dumps({"url": dev.url, "turns": TURNS})
    done = subprocess.run(
        [node, "chat_page.mjs", plan], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )

    assert done.returncode == 0, done.stderr[-3000:]
    saw = json.loads(done.stdout)
    grows_as_a_conversation(since_the_first_question([(kind, text) for kind, text in shown] for shown in saw["shown"]))
    assert saw["pauses"] == [None, "fusion", None, "fusion", None]
