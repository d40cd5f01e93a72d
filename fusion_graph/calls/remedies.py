"""What to leave out or to lower when a model refuses a parameter, told from what its provider says about it.

Nothing here knows a model: lists of who refuses what are out of date within weeks.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from fusion_graph.schemas import Outcome

MIN_ROOM = 1024  # with fewer tokens left for the answer it is the prompt that has to become shorter


class Remedy(NamedTuple):
    """Send `value` as the parameter `name`, or leave it out (None). `lasts`: of use for other prompts, too."""

    name: str
    value: Any
    lasts: bool


_NAMES: Mapping[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    # Known so that it is not mistaken for another; the caller has a ladder of formats.
    "response_format": ("response_format", "response format", "json_schema", "json_object", "structured output"),
    "tool_choice": ("tool_choice", "tool choice", "toolchoice"),
    "reasoning": ("reasoning", "thinking"),
    "max_tokens": (
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "max_new_tokens",
        "maxoutputtokens",
        "max tokens",
        "maximum tokens",
    ),
}
_NO_EFFORT = re.compile(r"set reasoning_effort to '?none")
_LIMIT = re.compile(
    r"(?:at most|up to|(?:model )?limit of|less than or equal to|lower than|<=|>|maximum(?: value| of| is| allowed|:)*"
    r"|maximum output tokens|\[1,|between 1 and|(?P<beyond>\(inclusive\) to))[ `(]*(?P<limit>\d{2,7})\b"
)
# The prompt fits, but not together with the output limit. `total` counts both, `prompt` the prompt alone.
_ROOM = (
    re.compile(r"context length is (?P<limit>\d+) tokens.{1,60}?requested (?:about )?(?P<total>\d+) tokens"),
    re.compile(r"context length is (?P<limit>\d+) tokens.{1,60}?has (?P<prompt>\d+) input tokens"),
    re.compile(r"context limit: (?P<prompt>\d+) \+ \d+ > (?P<limit>\d+)"),
    re.compile(r"limit (?P<limit>\d+), requested (?P<total>\d+)"),  # tokens per minute, which count the output limit
)


def remedy(kind: Outcome, said: str, sent: Mapping[str, Any]) -> Remedy | None:
    """Return what to change in the parameters `sent` after a refusal of this kind; `said`: all the provider said."""
    said = re.sub(r"(?<=\d),(?=\d{3}\b)", "", said.lower())
    if kind == "context_overflow":
        room = _room(said, sent.get("max_tokens"))
        return None if room is None else Remedy("max_tokens", room, lasts=False)
    if kind != "bad_request":
        return None
    if _NO_EFFORT.search(said) and sent.get("reasoning") != "none":
        return Remedy("reasoning", "none", lasts=True)
    name = _named(said, sent)
    if name is None or name == "response_format":
        return None
    return Remedy(name, _limit(said, sent[name]) if name == "max_tokens" else None, lasts=True)


def _named(said: str, sent: Mapping[str, Any]) -> str | None:
    """Return which of the parameters is spoken of first: what it conflicts with comes later."""
    places = [(said.find(word), name) for name, words in _NAMES.items() if name in sent for word in words]
    return min(((place, name) for place, name in places if place >= 0), default=(0, None))[1]


def _limit(said: str, asked: int) -> int | None:
    """Return the highest output limit the model takes, None if it does not say."""
    limits = (int(found["limit"]) - bool(found["beyond"]) for found in _LIMIT.finditer(said))
    return max((limit for limit in limits if limit < asked), default=None)


def _room(said: str, asked: int | None) -> int | None:
    """Return how much output there is room for beside the prompt, None if too little or unknown."""
    found = next((found for form in _ROOM if (found := form.search(said))), None)
    if found is None or asked is None:
        return None
    numbers = {name: int(number) for name, number in found.groupdict().items()}
    prompt = numbers["prompt"] if "prompt" in numbers else numbers["total"] - asked
    room = numbers["limit"] - prompt
    return room if MIN_ROOM <= room < asked else None
