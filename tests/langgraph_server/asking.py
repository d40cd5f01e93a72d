"""What the tests of the LangGraph server say to it."""

from typing import Any

QUESTION = "Does a panel of models beat one model asked twice?"


def asked(question: str) -> dict[str, Any]:
    """Return a graph's input: one question."""
    return {"messages": [{"role": "user", "content": question}]}


def texts(state: Any) -> list[tuple[str, str]]:
    """Return the conversation of a state: who speaks, and what."""
    return [(message["type"], message["content"]) for message in state["messages"]]


def models(state: Any) -> list[str]:
    """Return the models that the turn of a state has called, in order of their names."""
    return sorted(call["model"] for call in state["calls"])
