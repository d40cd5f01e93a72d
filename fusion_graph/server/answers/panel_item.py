"""The panel's work as one item of a response: seats, comparison, and what they brought."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fusion_graph.results import wire_analysis
from fusion_graph.schemas import Event
from fusion_graph.server.answers.output_items import Output, Wire
from fusion_graph.server.asked.fusion_words import SERVER_TOOL
from fusion_graph.server.deliberations import CALL_ID

_BROUGHT = ("analysis", "responses", "failed_models", "sources", "error", "failure_reason")


class PanelItem:
    """What is told of a panel. Seats that are asked again after a restart are added again, at the same `panel_index`.

    `shows_work`: also what its seats do with their tools, and every attempt of a model from its beginning on.
    """

    def __init__(self, output: Output, *, shows_work: bool = False) -> None:
        self._output = output
        self._shows_work = shows_work
        self._models: dict[int, str] = {}  # by seat
        self._id = f"{CALL_ID}{output.run_id}"
        self._index = -1
        self._is_open = False

    def take(self, event: Event) -> Iterator[Wire]:
        """Yield what an event of the run says of the panel."""
        makers: Mapping[str, Callable[[Event], Iterator[Wire]]] = {
            "panelist_started": self._started,
            "panelist_delta": self._delta,
            "panelist_reasoning_delta": self._thought,
            "panelist_finished": self._finished,
            "panelist_failed": self._failed,
            "analysis_started": self._compares,
            "analysis_finished": self._compared,
            "analysis_absent": self._not_compared,
            **(self._work if self._shows_work else {}),
        }
        made = makers.get(event["type"])
        return made(event) if made else iter(())

    @property
    def _work(self) -> Mapping[str, Callable[[Event], Iterator[Wire]]]:
        return {"tool_called": self._called, "tool_finished": self._called_back, "call_finished": self._attempted}

    def closed(self, brought: Mapping[str, Any]) -> Iterator[Wire]:
        """Yield the end of the item, if it is still open."""
        if not self._is_open:
            return
        self._is_open = False
        told = {name: brought[name] for name in _BROUGHT if brought.get(name)}
        if "sources" in told:
            told["sources"] = [{"url": source["url"], "title": source["title"]} for source in told["sources"]]
        is_vain = "failure_reason" in told and not told["failure_reason"].startswith("judge_")
        yield self._word("completed")
        yield self._output.done(self._index, self._item("incomplete" if is_vain else "completed", **told))

    def _opened(self) -> Iterator[Wire]:
        if self._is_open:
            return
        self._is_open, self._index = True, self._output.next_index()
        yield self._output.added(self._index, self._item("in_progress"))
        yield self._word("in_progress")

    def _item(self, status: str, **fields: Any) -> Wire:
        # Some clients take an item they do not know for a message: role and content are for these.
        return {"type": SERVER_TOOL, "id": self._id, "role": "assistant", "content": [], "status": status, **fields}

    def _word(self, word: str, **fields: Any) -> Wire:
        return {"type": f"response.fusion_call.{word}", "output_index": self._index, "item_id": self._id, **fields}

    def _seat(self, word: str, event: Event, **fields: Any) -> Wire:
        seat = event["seat"]
        return self._word(f"panel.{word}", model=self._models[seat], panel_index=seat - 1, **fields)

    def _started(self, event: Event) -> Iterator[Wire]:
        yield from self._opened()
        self._models[event["seat"]] = event.get("model") or self._models.get(event["seat"], "")
        yield self._seat("added", event)

    def _delta(self, event: Event) -> Iterator[Wire]:
        yield self._seat("delta", event, delta=event["delta"])

    def _thought(self, event: Event) -> Iterator[Wire]:
        yield self._seat("reasoning.delta", event, delta=event["delta"])

    def _called(self, event: Event) -> Iterator[Wire]:
        named = {"tool": event["tool"], "target": event["target"], "tool_call_id": event["tool_call_id"]}
        yield self._seat("tool.called", event, **named)

    def _called_back(self, event: Event) -> Iterator[Wire]:
        sources = [{"url": source["url"], "title": source["title"]} for source in event["sources"]]
        error = {"error": event["reason"]} if "reason" in event else {}
        named = {"tool": event["tool"], "tool_call_id": event["tool_call_id"]}
        yield self._seat("tool.completed", event, **named, sources=sources, **error)

    def _attempted(self, event: Event) -> Iterator[Wire]:
        if self._index >= 0:
            yield self._word("ledger", call=event["call"])

    def _finished(self, event: Event) -> Iterator[Wire]:
        cut = {"partial": True, "error": event["error"]["message"]} if "error" in event else {}
        yield self._seat("completed", event, content=event["result"]["content"], **cut)

    def _failed(self, event: Event) -> Iterator[Wire]:
        error = event["error"]
        code = {"status_code": error["status_code"]} if "status_code" in error else {}
        yield self._seat("failed", event, error=error["message"], **code)

    def _compares(self, event: Event) -> Iterator[Wire]:
        yield from self._opened()
        judge = event.get("model", "")
        yield self._word("analysis.in_progress", analyst_model=judge, judge_model=judge)

    def _compared(self, event: Event) -> Iterator[Wire]:
        seats: Any = [{"seat": seat, "model": model} for seat, model in self._models.items()]
        analysis = wire_analysis(event["analysis"], seats)
        yield from self._opened()
        yield self._word("analysis.completed", analysis=analysis)
        yield from self.closed({**event["result"], "analysis": analysis})

    def _not_compared(self, event: Event) -> Iterator[Wire]:
        brought, reason = event["result"], event["reason"]
        if "failure_reason" in brought:
            brought = {**brought, "error": "the panel gave no usable answer"}
        elif reason.startswith("judge_"):
            brought = {**brought, "error": f"no comparison: {reason}", "failure_reason": reason}
        yield from self._opened()
        yield from self.closed(brought)
