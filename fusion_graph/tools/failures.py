"""What a tool says when it cannot do what it was asked."""

from langchain_core.tools import ToolException

from fusion_graph.errors import redact

_MAX_CHARS = 900  # of one refusal
_QUOTED = 60  # characters of what a stranger wrote


def refused(sentence: str) -> ToolException:
    """Return the error to raise: a sentence a model can act on, with anything that looks like a secret blanked.

    One that is very long loses its middle: its beginning says what happened, its end what to do.
    """
    told, half = redact(sentence), _MAX_CHARS // 2
    return ToolException(told if len(told) <= _MAX_CHARS else f"{told[:half]} … {told[-half:]}")


def excerpt(text: str) -> str:
    """Return the beginning of what a server wrote, on one line: enough to tell what it is, too little for a speech."""
    seen = "".join(filter(str.isprintable, redact(" ".join(text.split()))))
    return seen if len(seen) <= _QUOTED else f"{seen[:_QUOTED]}…"
