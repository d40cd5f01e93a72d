"""Requests that chat clients make beside the conversation: titles, tags, follow-up questions. They are no panel's work."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

_FEW_TOKENS = 32  # that nobody can answer a question in
# How such requests begin, in Open WebUI, LibreChat, LobeChat, Jan, Continue, aider and others.
_PATTERNS = (
    r"### Task:\s*\n\s*(?:Generate|Suggest|Analyze|Determine|You are an autocompletion)",
    r"(?:Please )?(?:generate|create|write|provide|give|suggest)\b.{0,60}\b(?:title|headline|tags|name)\b.{0,20}\bconversation",
    r"(?:Summari[sz]e|Name) (?:this|the|our) (?:chat|conversation) in (?:\d+|a few|five|four|three) words",
    r"Here is the query:\n.*Create a concise, 3-5 word phrase as a header",
)
_ASKED = re.compile("|".join(_PATTERNS), re.IGNORECASE | re.DOTALL)
_LOOKED_AT = 2000  # characters from the beginning


def is_housekeeping(messages: Sequence[BaseMessage], body: Mapping[str, Any]) -> bool:
    """Say whether a request is a chat client's own: by its prompt, its metadata, or a limit too low for an answer."""
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if isinstance(limit, int) and limit <= _FEW_TOKENS:
        return True
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and str(metadata.get("task", "")).endswith("_generation"):
        return True
    spoken = [message for message in messages if message.type == "human"]
    return bool(spoken) and _ASKED.match(str(spoken[-1].text)[:_LOOKED_AT].lstrip()) is not None
