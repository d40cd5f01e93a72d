"""The models of the sessions: what panel, judge and writer do, as functions of the question."""

from typing import Any

from tests.faults.stage import compares
from tests.model_server import Behaviour, Reply, Request, by_model, says, when
from tests.model_server.behaviours import call

PANEL = ("north", "south")
ANSWER, DONE = "It opened in 1932 [1].", "All is done."
FOUND = "the cornerstone says 1932"  # by the panel
STORY = "Once there was a bridge. " * 40
SLOW_SECONDS = 7.0  # more silence than some clients bear
STORIES, SLOWLY = "tell a long story", "take your time"  # in a question


def function(name: str, argument: str) -> dict[str, Any]:
    """Return a function tool of a client."""
    shape = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "description": "Do it.", "parameters": shape}}


def calls(*names: str) -> Behaviour:
    """Call those of these tools that are offered, one after another, then say that it is done."""

    def behave(request: Request) -> Reply:
        due = [name for name in names if name in request.tool_names and name not in request.called]
        if not due:
            return Reply(text=DONE)
        return Reply(tool_calls=[call(request, due[0])])

    return behave


def _asks(words: str) -> Any:
    return lambda request: words in request.text


def _seat(request: Request) -> Reply:
    slow = request.model == "north" and SLOWLY in request.text
    return Reply(text=f"{request.model}: {FOUND}.", delay=SLOW_SECONDS if slow else 0.0)


_writer = when(
    lambda request: bool(request.tools),
    calls("order_dish"),
    when(_asks(STORIES), says(STORY, chunk_delay=0.05), says(ANSWER)),
)
MODELS: Behaviour = by_model(
    {"judge": compares(), "writer": _writer, "coder": calls("read_file", "fusion", "write_file"), "*": _seat}
)
