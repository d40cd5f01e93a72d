"""The answer as items of a response: a message, or what was lost of one, and calls of the client's tools."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fusion_graph.saying import BROKEN_OFF
from fusion_graph.schemas import Event
from fusion_graph.server.answers.output_items import Output, Wire, call_item, message_item, text_part

MOST_ANNOTATIONS = 800  # that are told one by one; the item has all of them


class AnswerItems:
    """What is told of an answer. `number_of`: what the event of a run is told under."""

    def __init__(self, output: Output, number_of: Callable[[int], int]) -> None:
        self._output = output
        self._number_of = number_of
        self._id = ""  # of the message under way
        self._index = -1
        self._text = ""  # that has been told of it

    @property
    def is_untold(self) -> bool:
        """Whether an answer has begun of which no text has been told: it may come with its end, under earlier numbers."""
        return bool(self._id) and not self._text

    def take(self, event: Event) -> Iterator[Wire]:
        """Yield what an event of the run says of the answer."""
        makers: Mapping[str, Callable[[Event], Iterator[Wire]]] = {
            "answer_started": self._started,
            "answer_delta": self._delta,
            "answer_finished": self._finished,
            "item_incomplete": self._lost,
        }
        made = makers.get(event["type"])
        return made(event) if made else iter(())

    def closed(self, result: Mapping[str, Any]) -> Iterator[Wire]:
        """Yield the end of the message, with where it is from, and the calls of the client's tools."""
        if self._id:
            yield from self._done(result["answer"] or self._text, _citations(result))
        for number, call in enumerate(result["tool_calls"]):
            yield from self._called(call, number)

    def _done(self, text: str, annotations: list[Wire], status: str = "completed") -> Iterator[Wire]:
        yield self._word("output_text.done", text=text, logprobs=[])
        for number, annotation in enumerate(annotations[:MOST_ANNOTATIONS]):
            yield self._word("output_text.annotation.added", annotation_index=number, annotation=annotation)
        part = text_part(text, annotations)
        yield self._word("content_part.done", part=part)
        item = message_item(self._id, status, [part])
        self._id = ""
        yield self._output.done(self._index, item, stays=status == "completed")

    def _word(self, word: str, **fields: Any) -> Wire:
        place = {"item_id": self._id, "output_index": self._index, "content_index": 0}
        return {"type": f"response.{word}", **place, **fields}

    def _started(self, event: Event) -> Iterator[Wire]:
        self._id, self._index, self._text = self._id_of(event), self._output.next_index(), ""
        yield self._output.added(self._index, message_item(self._id, "in_progress"))
        yield self._word("content_part.added", part=text_part(""))

    def _id_of(self, event: Event) -> str:
        return f"msg_{self._output.run_id}_{event['item'].rpartition('_')[2]}"

    def _delta(self, event: Event) -> Iterator[Wire]:
        yield self._said(event["delta"])

    def _said(self, text: str) -> Wire:
        self._text += text
        return self._word("output_text.delta", delta=text, logprobs=[])

    def _finished(self, event: Event) -> Iterator[Wire]:
        """Yield the rest of the text: nobody may have listened, and of a log's deltas only their `marks` are left.

        Each has its own number again: clients that fetch it all leave out what they had by the numbers.
        """
        for seq, chars in event.get("marks", ()):
            if chars <= len(self._text):  # told already: the log was read before its deltas went
                continue
            delta = self._said(event["result"][len(self._text) : chars])
            yield delta | {"sequence_number": self._number_of(seq)}
        if rest := event["result"].removeprefix(self._text):
            yield self._said(rest)

    def _lost(self, event: Event) -> Iterator[Wire]:
        if not event["item"].startswith("answer"):
            return  # a seat or the comparison: the panel's item begins that anew
        if self._id:
            yield self._said(BROKEN_OFF)
            yield from self._done(self._text, [], "incomplete")
        elif "since" in event:  # its text is gone from the log: who has seen it begin is told that it ended
            item = message_item(self._id_of(event), "incomplete")
            yield self._output.done(self._output.next_index(), item, stays=False)

    def _called(self, call: Mapping[str, Any], number: int) -> Iterator[Wire]:
        index, item_id = self._output.next_index(), f"fc_{self._output.run_id}_{number}"
        arguments = json.dumps(call["args"], ensure_ascii=False)
        told = {"item_id": item_id, "output_index": index}
        yield self._output.added(index, call_item(item_id, call, "in_progress", ""))
        yield {"type": "response.function_call_arguments.delta", **told, "delta": arguments}
        yield {"type": "response.function_call_arguments.done", **told, "name": call["name"], "arguments": arguments}
        yield self._output.done(index, call_item(item_id, call, "completed", arguments))


def _citations(result: Mapping[str, Any]) -> list[Wire]:
    found: list[Wire] = []
    for citation in result["citations"]:
        if citation["source"]:
            source = result["sources"][citation["source"] - 1]
            place = {"start_index": citation["start"], "end_index": citation["end"]}
            found.append({"type": "url_citation", "url": source["url"], "title": source["title"], **place})
    return found
