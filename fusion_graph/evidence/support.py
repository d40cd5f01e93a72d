"""Whether a cited page says what an answer takes from it: quotations and numbers, looked for in the page's text.

What belongs to a citation is its sentence, back to the citation before it, and on to the sentence's end, or a
semicolon, if no other citation comes. Several citations in one place share what they support. No model is asked.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from fusion_graph.schemas import Citation, Source

_QUOTE = re.compile(r"“([^“”]{3,600})”|„([^“”„]{3,600})[“”]|«([^«»]{3,600})»|「([^「」]{3,600})」|\"([^\"\n]{3,600})\"")
_FEWEST_WORDS = 3  # of a quotation; less is a name or a manner of speaking
_FEWEST_CHARS = 6  # where words are not spaced
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_LEFT_OUT = re.compile(r"\[?(?:…|\.\.\.)\]?")
_STOPS = ".!?\u3002\uff01\uff1f"
_SENTENCE_END = re.compile(r"[.!?][\"”»)\]*_]*\s+|[\u3002\uff01\uff1f]|\n\s*")
_CLAUSE_END = re.compile(rf"{_SENTENCE_END.pattern}|;\s+")
_CLOSERS = '"”»)*_ \n\t'
_BETWEEN = re.compile(r"[\s,;&]*(?:and)?[\s,;&]*")
_NUMBER = re.compile(r"(?<![\w\-])\d(?:[\d.,]*\d)?(?![\w])")
_LIST_MARK = re.compile(r"(?m)^\s*\d{1,3}[.)]\s")
_LINK = re.compile(r"https?://\S+")
_POINT = re.compile(r"\d+(?:\.\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_COMMA = re.compile(r"\d+(?:,\d+)?|\d{1,3}(?:\.\d{3})+(?:,\d+)?")
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b")


class _Cluster(NamedTuple):
    """Citations that stand together, and where."""

    citations: list[Citation]
    start: int
    end: int


def add_support(answer: str, citations: Sequence[Citation], sources: Sequence[Source]) -> list[Citation]:
    """Return the citations (in order) with `support`, and in `missing` what none of the pages beside it says."""
    clusters = list(_clusters(answer, citations))
    found: list[Citation] = []
    for number, cluster in enumerate(clusters):
        floor = clusters[number - 1].end if number else 0
        ceiling = clusters[number + 1].start if number + 1 < len(clusters) else len(answer)
        texts = [_text_of(sources[c["source"] - 1]) for c in cluster.citations if c["source"]]
        found += _judged(cluster, _statement(answer, cluster, floor, ceiling), [text for text in texts if text])
    return found


def _clusters(answer: str, citations: Sequence[Citation]) -> Iterator[_Cluster]:
    members: list[Citation] = []
    for citation in citations:
        if members and not _BETWEEN.fullmatch(answer, members[-1]["end"], max(citation["start"], members[-1]["end"])):
            yield _Cluster(members, members[0]["start"], members[-1]["end"])
            members = []
        members.append(citation)
    if members:
        yield _Cluster(members, members[0]["start"], members[-1]["end"])


def _statement(answer: str, cluster: _Cluster, floor: int, ceiling: int) -> str:
    """Return the text that a cluster stands for."""
    before = answer[floor : cluster.start].rstrip()
    is_after_stop = before.rstrip(_CLOSERS).endswith(tuple(_STOPS))
    said = before.rstrip(_CLOSERS + _STOPS)
    ends = [match.end() for match in _SENTENCE_END.finditer(before, 0, len(said))]
    begin = ends[-1] if ends else 0
    begin = min([begin, *(q.start() for q in _QUOTE.finditer(before) if q.end() > begin)])
    return before[begin:] + ("" if is_after_stop else f" {_rest(answer, cluster.end, ceiling)}")


def _rest(answer: str, start: int, ceiling: int) -> str:
    """Return the rest of a sentence, to a semicolon at most, if no other citation follows in it."""
    closing = _CLAUSE_END.search(answer, start, ceiling)
    end = closing.end() if closing else len(answer)
    return answer[start:end] if end <= ceiling else ""


def _judged(cluster: _Cluster, statement: str, texts: Sequence[str]) -> Iterator[Citation]:
    items = list(dict.fromkeys([*_quotations(statement), *_numbers(statement)])) if texts else []
    missing = [item for item in items if not any(_is_in(item, text) for text in texts)]
    for citation in cluster.citations:
        if citation["source"] is None or not items:
            yield citation
        else:
            yield {**citation, "support": "not_found" if missing else "supported", "missing": missing}


def _quotations(statement: str) -> Iterator[str]:
    for quote in _QUOTE.finditer(statement):
        text = next(part for part in quote.groups() if part)
        long_enough = len(text.split()) >= _FEWEST_WORDS or len(_UNSPACED.findall(text)) >= _FEWEST_CHARS
        if long_enough:
            yield f'"{text.strip()}"'


def _numbers(statement: str) -> Iterator[str]:
    plain = _LIST_MARK.sub(" ", _LINK.sub(" ", _QUOTE.sub(" ", statement)))
    for number in _NUMBER.finditer(plain):
        yield number[0]


def _is_in(item: str, text: str) -> bool:
    if not item.startswith('"'):
        return bool(_spellings(item) & _numbers_of(text))
    at = 0
    for part in map(_plain, _LEFT_OUT.split(item)):
        at = _plain(text).find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def _text_of(source: Source) -> str:
    """Return what is known of a page's text: as it was read, else the lines it was listed with."""
    return source.get("text") or f"{source['title']}\n{source['snippet']}".strip()


@lru_cache(maxsize=256)
def _plain(text: str) -> str:
    """Return the letters and digits of a text, one space between words: typography is no difference."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(word.strip("_") for word in words)


@lru_cache(maxsize=256)
def _numbers_of(text: str) -> frozenset[str]:
    plain = unicodedata.normalize("NFKC", text)
    digits = {spelling for number in re.findall(r"\d(?:[\d.,]*\d)?", plain) for spelling in _spellings(number)}
    return frozenset(digits | {str(_WORDS.index(word)) for word in _WORD.findall(plain.casefold())})


def _spellings(number: str) -> frozenset[str]:
    """Return what a number may mean: `1,500` is 1500 or, where a comma marks decimals, 1.5."""
    readings = {number.replace(",", "")} if _POINT.fullmatch(number) else set()
    readings |= {number.replace(".", "").replace(",", ".")} if _COMMA.fullmatch(number) else set()
    return frozenset(r.rstrip("0").rstrip(".") if "." in r else r for r in readings or {number})
