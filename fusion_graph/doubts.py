"""What of an answer's citations does not hold, in words."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def doubts_of(citations: Sequence[Mapping[str, Any]], written: Callable[[object], str]) -> list[str]:
    """Return which pages nobody saw, and which words are not on theirs; `written` makes text harmless where it is shown."""
    unknown = dict.fromkeys(written(citation["text"]) for citation in citations if citation["status"] == "unverified")
    lines = [f"Not verified: no tool of this run saw {', '.join(unknown)}"] if unknown else []
    missing: dict[str, dict[str, None]] = {}  # words -> where they are not, in order
    for citation in citations:
        if citation.get("support") == "not_found":
            place = written(citation["text"]) if citation["source"] is None else f"[{citation['source']}]"
            for words in citation.get("missing") or []:
                missing.setdefault(written(words), {})[place] = None
    return [*lines, *(f"Not found in {', '.join(places)}: {words}" for words, places in missing.items())]
