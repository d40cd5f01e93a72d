"""The models of the sessions: what panel, judge and writer do, as functions of the question."""

from typing import Any

from tests.faults.stage import compares
from tests.model_server import Behaviour, Reply, Request, by_model, judge, says, when
from tests.model_server.behaviours import call

PANEL = ("north", "south")
YEAR = 1932
ANSWER, DONE = f"It opened in {YEAR} [1].", "All is done."
FOUND = f"the cornerstone says {YEAR}"  # by the panel
STORY = "Once there was a bridge. " * 40
STORIES, SLOWLY, SLEEPILY = "tell a long story", "take your time", "sleep on it"  # in a question
# More silence than some clients bear, and so much that a stream tells again that it is under way.
SILENCES = {SLOWLY: 7.0, SLEEPILY: 17.0}


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
    silences = [seconds for words, seconds in SILENCES.items() if request.model == "north" and words in request.text]
    return Reply(text=f"{request.model}: {FOUND}.", delay=sum(silences))


def _wants_a_shape(request: Request) -> bool:
    return bool(request.forced_tool or request.response_format)


_says = when(_asks(STORIES), says(STORY, chunk_delay=0.05), says(ANSWER))
_writer = when(
    _wants_a_shape,
    judge(values={"year": YEAR}),
    when(lambda request: bool(request.tools), calls("order_dish"), _says),
)
MODELS: Behaviour = by_model(
    {"judge": compares(), "writer": _writer, "coder": calls("read_file", "fusion", "write_file"), "*": _seat}
)
