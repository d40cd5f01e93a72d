"""Two answers beside one another: what one says and the other does not is marked in it."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from markdown_it.token import Token

from fusion_graph.comparison import align, split_sentences
from fusion_graph.server.rendering.reading import Document
from fusion_graph.server.rendering.signs import BEGIN, END, Place, pieces, unsigned


class _Sentence(NamedTuple):
    """A sentence, or a line of code: which token it is in, and where in that token's content as it was written."""

    token: int
    start: int
    end: int
    text: str


def mark_differences(one: Document, other: Document) -> None:
    """Mark the sentences of both documents that are not the same, as they are aligned."""
    sides = [[*_sentences(document)] for document in (one, other)]
    parts = align(*([sentence.text for sentence in side] for side in sides))
    _mark(one, sides[0], [part["kind"] != "same" for part in parts if part["a"] is not None])
    _mark(other, sides[1], [part["kind"] != "same" for part in parts if part["b"] is not None])


def _sentences(document: Document) -> Iterator[_Sentence]:
    for number, token in enumerate(document.tokens):
        content = unsigned(token.content, document.places)
        if token.type == "inline":
            yield from (_Sentence(number, *found) for found in _located(content, split_sentences(content)))
        elif token.type in {"fence", "code_block"}:
            yield from (_Sentence(number, *found) for found in _located(content, content.splitlines()))


def _located(content: str, sentences: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield where sentences are, whose spaces may be others there."""
    at = 0
    for sentence in sentences:
        found: list[int] = []
        for word in sentence.split():
            found.append(max(at, content.find(word, at)))
            at = found[-1] + len(word)
        if found:
            yield found[0], at, sentence


def _mark(document: Document, sentences: Sequence[_Sentence], differ: list[bool]) -> None:
    # What is beyond the bound of `align` counts as one, and so its last says what it is.
    flags = [*differ, *differ[-1:] * (len(sentences) - len(differ))]
    changed = (sentence for sentence, flag in zip(sentences, flags, strict=True) if flag)
    for number, found in groupby(changed, key=lambda sentence: sentence.token):
        token = document.tokens[number]
        content = _marked(token, [(sentence.start, sentence.end) for sentence in found], document.places)
        if token.type == "inline":
            token.children = document.read(content)
        else:
            token.content = content


def _marked(token: Token, spans: Sequence[tuple[int, int]], places: Sequence[Place]) -> str:
    """Return the content of a token with signs around spans of what was written there."""
    cuts = deque(cut for start, end in spans for cut in ((start, BEGIN), (end, END)))
    parts: list[str] = []
    at = 0
    for piece in pieces(token.content, places):
        rest, after = piece.text, at + len(piece.written)
        while cuts and cuts[0][0] < (after if piece.place is None else at + 1):  # a citation is not cut
            offset, sign = cuts.popleft()
            within = max(offset - at, 0)
            parts += [rest[:within], sign]
            rest, at = rest[within:], at + within
        parts.append(rest)
        at = after
    return "".join([*parts, *(sign for _, sign in cuts)])
