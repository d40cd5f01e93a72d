"""Signs that are put into a text before it is read as Markdown, and found again in what came of it.

They are noncharacters: no entity and no escape makes one, and those that a text holds are replaced before any is put in.
So whatever carries a sign is ours, and nothing that a model writes ever becomes one.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CITED, _LINKED, _STOP = "\ufdd0", "\ufdd1", "\ufdd2"
BEGIN, END = "\ufdd3 ", " \ufdd4"  # of what differs; beside a space, emphasis begins and ends as at the edge of a text
_OWN = re.compile("[\ufdd0-\ufdd4]")
_OPEN, _CLOSE = "[\\[\u3010\u3014\uff3b]", "[\\]\u3011\u3015\uff3d]"
_LINK_SIGN = re.compile(f"{_LINKED}([0-9]+){_STOP}")
_SIGN = re.compile(
    f"{_OPEN}?{_CITED}(?P<cited>[0-9]+){_STOP}{_CLOSE}?|{_LINK_SIGN.pattern}"
    f"|(?P<begin>{BEGIN}?)|{END[0]}?{END[1]}"  # the spaces may be gone: Markdown trims
)


class Place(NamedTuple):
    """A place of citations in a text: what it said there, and what is shown, also where no link may stand."""

    written: str
    html: str
    inert: str


class Piece(NamedTuple):
    """A piece of a text: words, or a sign. `begins`: what differs begins with it, or ends."""

    text: str
    place: Place | None = None
    begins: bool | None = None

    @property
    def written(self) -> str:
        """What was there before signs were put in."""
        if self.place:
            return self.place.written
        return self.text if self.begins is None else ""


def without_signs(text: str) -> str:
    """Return a text in which every sign is ours; all else stays where it was."""
    return _OWN.sub("\ufffd", text)


def cited_sign(number: int, written: str) -> str:
    """Return what stands for `[n]`. Its brackets stay: what is beside them is emphasis or a link as it was."""
    return f"{written[0]}{_CITED}{number}{_STOP}{written[-1]}"


def linked_sign(number: int) -> str:
    """Return what follows an address that is a citation; to Markdown it is a part of the address."""
    return f"{_LINKED}{number}{_STOP}"


def pieces(text: str, places: Sequence[Place]) -> Iterator[Piece]:
    """Yield a text in pieces."""
    at = 0
    for sign in _SIGN.finditer(text):
        if sign.start() > at:
            yield Piece(text[at : sign.start()])
        number = sign["cited"] or sign[2]
        yield Piece(sign[0], places[int(number)]) if number else Piece(sign[0], begins=sign["begin"] is not None)
        at = sign.end()
    if at < len(text):
        yield Piece(text[at:])


def unsigned(text: str, places: Sequence[Place]) -> str:
    """Return a text as it was written."""
    return "".join(piece.written for piece in pieces(text, places))


def split_address(address: str, places: Sequence[Place]) -> tuple[str, list[int]]:
    """Return an address as it was written, and which places follow it."""
    return unsigned(address, places), [int(number) for number in _LINK_SIGN.findall(address)]
