"""Which thread a turn goes on in: the one whose calls of the client's tools it brings the results of."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage

_MOST = 50_000  # calls that are remembered


class Threads:
    """The threads of this process's runs, by the calls they gave to clients, each with its owner."""

    def __init__(self) -> None:
        self._of_call: OrderedDict[tuple[str, str], str] = OrderedDict()

    def note(self, owner: str, result: Mapping[str, Any]) -> None:
        """Remember the calls of the client's tools that a run ended with."""
        for call in result["tool_calls"]:
            self._of_call[owner, str(call["id"])] = result["thread_id"]
            while len(self._of_call) > _MOST:
                self._of_call.popitem(last=False)

    def of(self, owner: str, messages: Sequence[BaseMessage]) -> tuple[str | None, list[BaseMessage]]:
        """Return the thread that a conversation goes on in, and what is new for it; None and all of it for a new one."""
        new: list[BaseMessage] = []
        for message in reversed(messages):
            if not isinstance(message, ToolMessage):
                break
            new.insert(0, message)
        threads = {
            self._of_call.get((owner, str(message.tool_call_id))) for message in new if isinstance(message, ToolMessage)
        }
        (thread,) = threads if len(threads) == 1 else (None,)
        return (thread, new) if thread else (None, list(messages))
