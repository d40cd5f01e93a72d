"""Runs as the responses that they are kept as: found by id, read from their log, taken as the history of the next."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, messages_from_dict

from fusion_graph import prompts
from fusion_graph.checked import shown
from fusion_graph.errors import RunNotFoundError, SettingsError
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED
from fusion_graph.server.answers.output_items import text_part
from fusion_graph.server.answers.response_events import ResponseEvents
from fusion_graph.server.answers.responses import ID, ResponseObject
from fusion_graph.server.asked.items import INSTRUCTIONS, REFERENCE
from fusion_graph.server.asked.responses import TOLD, AskedResponse
from fusion_graph.server.deliberations import CALL_ID, detail_of, echoed
from fusion_graph.server.errors import RefusedError
from fusion_graph.store import RunRow

KIND = "response"
_OWN_IDS = (CALL_ID, "msg_", "fc_", "in_")  # before a run's id, in the ids of items


def client_of(asked: AskedResponse, model: str, items: Sequence[Any], *, plain: bool) -> dict[str, Any]:
    """Return what is kept with a run so that it can be told as the response to its request; `model` writes."""
    told = asked.told
    return {
        "kind": KIND,
        "told": asked.turn.stream or told["background"],
        "plain": plain,
        "resumes": told["store"] and not asked.turn.cancels,
        "model": model,
        "request": told,
        "items": list(items),
    }


async def find(runs: Runs, owner: str, response_id: str) -> RunRow:
    """Return the run of a response, as it stands. Raises RefusedError (404) if its owner has none of that id."""
    run_id = response_id.removeprefix(ID)
    with refusing_unknown(response_id):
        row = await runs.get(run_id)
        if row["run_id"] != run_id or row["owner"] != owner or not is_stored(row):
            raise RunNotFoundError("it is not there, or another's")
    return row


@contextmanager
def refusing_unknown(response_id: str) -> Iterator[None]:
    """Tell a client of a run that is not there, or was deleted meanwhile, as it knows it. Raises RefusedError (404)."""
    try:
        yield
    except RunNotFoundError:
        raise RefusedError(404, f"there is no response {response_id[:100]!r}", param="response_id") from None


def events_of(row: RunRow, *, after: int = -1, shows_work: bool = False) -> ResponseEvents:
    """Return what tells the events of a run to a client that has had those up to the number `after`.

    `shows_work`: it also wants to know what the panel does.
    """
    client = _client(row)
    shows = not client.get("plain") and not client.get("is_taken_up")
    told = ResponseObject(row["run_id"], _model(row), client.get("request", TOLD), row["created_at"])
    return ResponseEvents(told, after=after, shows_panel=shows, shows_work=shows_work)


async def view(runs: Runs, row: RunRow) -> dict[str, Any]:
    """Return a run as a response, as far as it has come."""
    told = events_of(row)
    for event in await runs.store.events(row["run_id"], deltas=False):
        told.take(event)
    if not told.last and row["status"] in {"cancelled", "failed", "interrupted"}:
        told.left(row["status"], row["seq"])
    if row["status"] in ENDED:
        await runs.claims.deliver(row["run_id"])
    return told.response


async def history_of(runs: Runs, owner: str, response_id: Any) -> list[BaseMessage]:
    """Return the conversation up to and with a response. Raises SettingsError, RefusedError."""
    if response_id is None:
        return []
    field = "previous_response_id"
    if not isinstance(response_id, str):
        raise SettingsError(f"{field} = {shown(response_id)}", field=field, value=response_id, hint="a response's id")
    row = await find(runs, owner, response_id)
    result = row["result"]
    if row["status"] not in ENDED or result is None:
        is_coming = row["status"] in {"running", "stopped"}
        hint = f"wait for its end: GET /v1/responses/{response_id}" if is_coming else "send the conversation as input"
        raise SettingsError(f"{field}: {response_id} is {row['status']}", field=field, value=response_id, hint=hint)
    asked = [message for message in messages_from_dict(row["input"]["messages"]) if message.id != INSTRUCTIONS]
    details = [detail_of(result, str(prompts.asked(asked)[-1].text))] if result["fused"] else []
    said = result["answer"] or result["tool_calls"]
    answer = [AIMessage(result["answer"], tool_calls=result["tool_calls"])] if said else []
    return [*asked, *echoed({"reasoning_details": details}), *answer]


async def resolved(runs: Runs, owner: str, items: Sequence[Any]) -> list[Any]:
    """Return items with those in the place of which a client sent references. Raises SettingsError for an unknown one."""
    return [
        await _referred(runs, owner, item["id"], number) if _is_reference(item) else item
        for number, item in enumerate(items)
    ]


def _is_reference(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") == REFERENCE and isinstance(item.get("id"), str)


async def _referred(runs: Runs, owner: str, item_id: str, number: int) -> Any:
    prefix = next((prefix for prefix in _OWN_IDS if item_id.startswith(prefix)), "")
    run_id, place = item_id.removeprefix(prefix).partition("_")[0], f"input.{number}.id"
    try:
        row = await find(runs, owner, run_id)
    except RefusedError:
        row = None
    found = [*(await view(runs, row))["output"], *input_items(row)] if row else []
    for item in found:
        if item["id"] == item_id:
            return item
    hint = "send the item itself"
    raise SettingsError(f"{place}: there is no item {item_id[:100]!r}", field=place, value=item_id, hint=hint)


def input_items(row: RunRow) -> list[dict[str, Any]]:
    """Return the items that a request brought, each with an id, and texts of messages as parts, as typed clients want it."""
    items = _client(row).get("items", [])
    return [_listed(item, f"in_{row['run_id']}_{number}") for number, item in enumerate(items)]


def _listed(item: Mapping[str, Any], item_id: str) -> dict[str, Any]:
    listed = {**item, "type": item.get("type", "message"), "id": item.get("id") or item_id}
    if isinstance(text := item.get("content"), str):
        said = text_part(text) if item.get("role") == "assistant" else {"type": "input_text", "text": text}
        listed["content"] = [said]
    return listed


def _client(row: RunRow) -> dict[str, Any]:
    client = row["input"].get("client") or {}
    return client if client.get("kind") == KIND else {}


def is_stored(row: RunRow) -> bool:
    """Say whether a run's client may ask for it again."""
    return bool(_client(row).get("request", TOLD)["store"])


def resumes(row: RunRow) -> bool:
    """Say whether a run was stopped with its server, and goes on by itself: its client can fetch what it comes to."""
    return row["status"] == "stopped" and bool(_client(row).get("resumes"))


def _model(row: RunRow) -> str:
    """Return the writer of a run; one that began otherwise than by a responses request tells it in its result."""
    settings = (row["result"] or {}).get("settings") or {}
    return str(_client(row).get("model") or settings.get("writer") or "")
