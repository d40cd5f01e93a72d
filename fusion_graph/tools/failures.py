"""What a tool says when it cannot do what it was asked."""

from langchain_core.tools import ToolException

from fusion_graph.errors import redact


def refused(sentence: str) -> ToolException:
    """Return the error to raise: a sentence a model can act on, with anything that looks like a secret blanked."""
    return ToolException(redact(sentence))
