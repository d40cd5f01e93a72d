"""The output of a response as it grows: items that are added, told of, and done, each at its index."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Wire: TypeAlias = dict[str, Any]  # an event of the Responses API before it has its number


class Output:
    """The items of a response. `finished` are those that stay in it."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.finished: list[Wire] = []
        self._indexes = 0

    def next_index(self) -> int:
        """Return the place of the next item."""
        self._indexes += 1
        return self._indexes - 1

    def added(self, index: int, item: Mapping[str, Any]) -> Wire:
        """Return the event by which an item begins."""
        return {"type": "response.output_item.added", "output_index": index, "item": dict(item)}

    def done(self, index: int, item: Mapping[str, Any], *, stays: bool = True) -> Wire:
        """Return the event by which an item ends."""
        self.finished += [dict(item)] if stays else []
        return {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def text_part(text: str, annotations: Sequence[Mapping[str, Any]] = ()) -> Wire:
    """Return the only part of a message."""
    return {"type": "output_text", "text": text, "annotations": list(annotations), "logprobs": []}


def message_item(item_id: str, status: str, content: Sequence[Mapping[str, Any]] = ()) -> Wire:
    """Return an answer as an item."""
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": list(content)}


def call_item(item_id: str, call: Mapping[str, Any], status: str, arguments: str) -> Wire:
    """Return a call of one of the client's tools as an item."""
    named = {"call_id": call["id"], "name": call["name"]}
    return {"id": item_id, "type": "function_call", "status": status, "arguments": arguments, **named}
