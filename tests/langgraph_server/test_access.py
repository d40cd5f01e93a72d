"""Who may use the LangGraph server, and what each owner sees of it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import SyncLangGraphClient
from langgraph_sdk.errors import PermissionDeniedError

from tests.langgraph_server.asking import asked, texts
from tests.langgraph_server.dev import ANSWER, KEYS, Dev

Owners = tuple[SyncLangGraphClient, SyncLangGraphClient]
STUDIO = "https://smith.langchain.com"


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-api-key": "the-key-of-nobody"}, {"x-auth-scheme": "langsmith", "x-api-key": "lsv2_studio"}],
    ids=["no key", "a wrong key", "Studio's own"],
)
def test_without_a_key_nobody_gets_in_where_there_are_keys(keyed: Dev, headers: dict[str, str]) -> None:
    for path in ("threads", "threads/search", "assistants/search", "runs/wait", "store/items/search"):
        refused = httpx.post(f"{keyed.url}/{path}", json={}, headers=headers)

        assert refused.status_code == 401
        assert "give one of this server's API keys" in refused.json()["detail"]


def test_a_key_is_taken_as_a_bearer_too(keyed: Dev) -> None:
    headers = {"authorization": f"Bearer {KEYS[0]}"}

    assert httpx.post(f"{keyed.url}/assistants/search", json={}, headers=headers).is_success


def test_an_owner_finds_no_thread_and_no_run_of_another(owners: Owners) -> None:
    one, two = owners
    thread = one.threads.create(metadata={"owner": "somebody else"})["thread_id"]
    everybodys = [found["thread_id"] for found in two.threads.search()]
    run: Any = one.runs.create(thread, "fusion", input=asked("When did it open?"), context={"preset": "bridges"})
    one.runs.join(thread, run["run_id"])

    tries: list[Callable[[], Any]] = [
        lambda: two.threads.get(thread),
        lambda: two.threads.get_state(thread),
        lambda: two.threads.get_history(thread),
        lambda: two.threads.update(thread, metadata={"owner": "me"}),
        lambda: two.threads.update_state(thread, {"messages": []}),
        lambda: two.threads.copy(thread),
        lambda: two.threads.delete(thread),
        lambda: two.runs.get(thread, run["run_id"]),
        lambda: two.runs.wait(thread, "fusion", input=asked("And why?")),
    ]
    for attempt in tries:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            attempt()
        assert refused.value.response.status_code in {403, 404, 409}

    assert thread in [found["thread_id"] for found in one.threads.search()]
    assert [found["thread_id"] for found in two.threads.search()] == everybodys
    assert thread not in everybodys
    assert texts(one.threads.get_state(thread)["values"])[-1] == ("ai", ANSWER)


def test_assistants_of_the_server_are_everybodys_and_others_their_makers(owners: Owners) -> None:
    one, two = owners
    own = one.assistants.create("fusion", context={"preset": "demo"}, metadata={"created_by": "system"}, name="mine")

    seen = [{assistant["name"] for assistant in client.assistants.search()} for client in owners]
    server: Any = next(found for found in two.assistants.search() if found["graph_id"] == "fusion")
    tries: list[Callable[[], Any]] = [
        lambda: two.assistants.get(own["assistant_id"]),
        lambda: two.assistants.update(own["assistant_id"], name="theirs"),
        lambda: two.assistants.delete(own["assistant_id"]),
        lambda: two.runs.wait(None, own["assistant_id"], input=asked("Why?")),
        lambda: two.assistants.update(server["assistant_id"], context={"preset": "demo"}),
        lambda: two.assistants.delete(server["assistant_id"]),
    ]
    for attempt in tries:
        with pytest.raises(httpx.HTTPStatusError) as refused:
            attempt()
        assert refused.value.response.status_code in {403, 404, 409}

    assert seen == [{"fusion", "panelist", "mine"}, {"fusion", "panelist"}]


def test_what_has_no_owner_is_nobodys_where_there_are_keys(owners: Owners, client: SyncLangGraphClient) -> None:
    with pytest.raises(PermissionDeniedError):
        owners[0].store.put_item(("notes",), key="one", value={"said": "something"})

    client.store.put_item(("notes",), key="one", value={"said": "something"})


def test_without_keys_only_pages_of_this_machine_and_studio_are_answered(dev: Dev) -> None:
    def post(**headers: str) -> int:
        return httpx.post(f"{dev.url}/threads", json={}, headers=headers).status_code

    assert [post(), post(origin=STUDIO), post(origin="http://localhost:3000")] == [200, 200, 200]
    refused = [
        post(origin="https://elsewhere.example"),
        post(origin=f"{STUDIO}.elsewhere.example"),
        post(origin="null"),
    ]
    assert refused == [403, 403, 403]
    assert [post(host="elsewhere.example"), post(**{"x-forwarded-for": "10.0.0.1"})] == [403, 403]
