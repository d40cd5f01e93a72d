"""Characters: text as a person sees it, without those that only a machine reads; and fair shares of the room for some."""

import re
from collections.abc import Sequence

# Tags and variation selectors of plane 14, directional and zero-width marks, those of annotations and of music, control
# characters, halves of surrogate pairs. Joiners (200C, 200D) and emoji selectors stay: words and emoji need them.
_INVISIBLE = re.compile(
    "[\U000e0000-\U000e0fff\u202a-\u202e\u2060-\u206f\u200b\u200e\u200f\u061c\ufeff\u00ad"
    "\ufff9-\ufffb\U0001d173-\U0001d17a\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
)
_HALVES = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """Return the text without characters that only a machine reads; line ends become newlines."""
    return _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def encodable(text: str) -> str:
    """Return the text with its surrogate pairs joined and halves of such pairs replaced: JSON may hold them, UTF-8 not."""
    return text if _HALVES.search(text) is None else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fair_shares(lengths: Sequence[int], room: int) -> list[int]:
    """Return how much of each text fits into `room` characters; short ones leave their share to the long ones."""
    shares = dict.fromkeys(range(len(lengths)), 0)
    for done, index in enumerate(sorted(shares, key=lambda index: lengths[index])):
        shares[index] = min(lengths[index], room // (len(lengths) - done))
        room -= shares[index]
    return list(shares.values())
