"""Sentences, words and numbers: all that the demo understands of a text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FUNCTION_WORDS = """
    a about after all also an and any are as at be because been before between both but by can could did do does each for
    from had has have how if in into is it its may might more most much must no nor not of on one's only or other our out
    over s should so some such t than that the their them then there these they this those through to too under up was we
    were what when where which while who whom whose why will with would you your
"""
STOPWORDS = frozenset(_FUNCTION_WORDS.split())
_SENTENCE = re.compile(r".+?(?:[.!?\u3002\uff01\uff1f][\"”»']?(?=\s|$)|$)", re.DOTALL)
_HEADING = re.compile(r"(?m)^(#+ .*)$")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)?")
_AMOUNT = re.compile(r"(?<![\w.,])(\d(?:[\d.,]*\d)?)\s*(%|[a-z]+)?")
_CITED = re.compile(r"\s*\[(\d+(?:, ?\d+)*)\]")
_ENDING = re.compile(r"(.*?)([.!?]?)([\"\u201d\u00bb]?)", re.DOTALL)
_SUFFIXES = ("ings", "ing", "ed", "es", "s")
FEWEST_TERMS = 3  # that make a subject
_STEM = 3  # letters that must be left


def stem(word: str) -> str:
    """Return a word without its commonest English endings: `models` is `model`, `adding` is `add`."""
    word = word.casefold().removesuffix("'s").removesuffix("\u2019s")
    if word.endswith("ies"):
        return word[:-3] + "y"
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _STEM:
            word = word.removesuffix(suffix)
            break
    return word.rstrip("e") if len(word) > _STEM else word


def terms(text: str) -> frozenset[str]:
    """Return the stems of a text's words that say what it is about."""
    words = (word for word in _WORD.findall(text) if word.casefold() not in STOPWORDS and not word.isdecimal())
    return frozenset(stem(word) for word in words)


def subject(sentence: str) -> frozenset[str]:
    """Return the terms of a sentence without names and amounts: two sources tell of one thing in their own surroundings."""
    first, *others = _WORD.findall(_AMOUNT.sub(" ", sentence)) or [""]
    names = {stem(word) for word in others if word[:1].isupper()}
    return terms(f"{first} {' '.join(others)}") - names


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a text, line by line, each on one line."""
    for block in re.split(r"\n\s*\n|\n(?=[-*#|])", _HEADING.sub(r"\1\n", text)):
        for sentence in _SENTENCE.findall(" ".join(block.split())):
            if stripped := sentence.strip(" -*#|"):
                yield stripped


def amounts(sentence: str) -> dict[str, set[str]]:
    """Return the numbers of a sentence by their unit: `69 of 100 questions` are {"": {69}, "question": {100}}."""
    found: dict[str, set[str]] = {}
    for number, unit in _AMOUNT.findall(sentence):
        found.setdefault("" if unit in STOPWORDS else stem(unit), set()).add(number)
    return found


@dataclass(frozen=True)
class Statement:
    """A sentence of an answer, without its citations, and the numbers it cites."""

    author: str
    text: str
    sources: tuple[int, ...]

    @property
    def terms(self) -> frozenset[str]:
        """What it is about; of a short sentence its names as well, or next to nothing would be left."""
        of_subject = subject(self.text)
        return of_subject if len(of_subject) >= FEWEST_TERMS else terms(self.text)


def statements(author: str, answer: str) -> Iterator[Statement]:
    """Yield the sentences of an answer that cite a source."""
    for sentence in sentences(answer):
        numbers = [int(number) for group in _CITED.findall(sentence) for number in group.split(",")]
        if numbers:
            yield Statement(author, _CITED.sub("", sentence), tuple(dict.fromkeys(numbers)))


def cite(sentence: str, *numbers: int) -> str:
    """Return a sentence with citations before its stop."""
    marks = "".join(f"[{number}]" for number in numbers)
    text, stop, quote = _ENDING.fullmatch(sentence.strip()).groups()  # type: ignore[union-attr]  # it matches anything
    return f"{text}{quote} {marks}{stop or '.'}"
