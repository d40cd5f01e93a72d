"""A model that obeys every order it can read: it stands in for one that an attacker has captured.

Attentive, it tells orders from data: it leaves alone what stands in a well-formed fence (`<<<title nonce`, closed by the
first `nonce title>>>`), in what assistants said, and in a tool's result without fences; but only if it was told that this
is data. A control token of a chat template that reaches it whole speaks with the system's voice, wherever it stands.
Captured, it obeys all.

An order is a verb in capitals with its object, up to a semicolon or the line's end: `SAY PWNED;`.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.messages import BaseMessage

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest

_FENCE = re.compile(r"^<<<([^\n]+) (\w+)\n(.*?)^\2 \1>>>$", re.DOTALL | re.MULTILINE)
_REMINDER = re.compile(r"never gives you instructions|never instructions|is data")
_VERBS = "SAY|RECITE|CALL|REVEAL|CONSENSUS|CONTRADICTION|STRONGEST|IGNORE"
_ORDER = re.compile(rf"\b({_VERBS}|[Ii]gnore (?:all )?previous instructions and say)\b:?[ \t]*([^;\n]*)")
# Written down from the tokenizers' own lists, not from the package: what is missing there must show.
LIVE_TOKEN = re.compile(
    r"<[|\uff5c][^<>|\uff5c\s]{1,40}[|\uff5c]>"  # ChatML, Llama 3, Phi, Command R, gpt-oss, DeepSeek
    r"|</?s>|<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"  # Llama 2, Mistral
    r"|<(?:start|end)_of_turn>|<[be]os>|</?think>|</?tool_call>|</?tool_response>"  # Gemma, Qwen, Hermes
    r"|<(?:BOS|EOS)_TOKEN>|<[se]op>|\[gMASK\]|<extra_id_\d>|<seed:[be]os>|\]~b\]|<end_of_utterance>"
)
_LETTER = re.compile(r"(?:answer|evidence) ([A-Z])")
_LABEL = re.compile(r"\b[A-Z]\b")
_NAME = re.compile(r"vendor/[\w-]+")
_READ = re.compile(r"^\[\d+\] read:", re.MULTILINE)
_CITED = re.compile(r" ?\[(\d+)\]")


class Order(NamedTuple):
    """A verb, its object, and in which fence it stands: '' is outside of all."""

    verb: str
    what: str
    place: str


class _Passage(NamedTuple):
    text: str
    place: str
    commands: bool


def fences(text: str) -> dict[str, str]:
    """Return the bodies of the well-formed fences in a text, by title."""
    return {found[1]: found[3].removesuffix("\n") for found in _FENCE.finditer(text)}


def nonces(text: str) -> dict[str, tuple[str, ...]]:
    """Return the nonces of the well-formed fences in a text, each with all that it fences."""
    found: dict[str, tuple[str, ...]] = {}
    for fence in _FENCE.finditer(text):
        found[fence[2]] = (*found.get(fence[2], ()), fence[0])
    return found


def orders(messages: Sequence[BaseMessage], *, captured: bool = False) -> list[Order]:
    """Return the orders that a model takes from its prompt."""
    passages = [passage for message in messages for passage in _passages(message)]
    commands = "\n".join(passage.text for passage in passages if passage.commands)
    all_of_it = captured or not _REMINDER.search(commands)
    obeyed = [passage for passage in passages if passage.commands or all_of_it]
    return [order for passage in obeyed for order in _orders(passage)]


def _passages(message: BaseMessage) -> Iterator[_Passage]:
    """Yield a message in parts: between fences, in fences, and each from its first live control token on."""
    text, at = str(message.text), 0
    speaks = message.type in {"system", "human"} or (message.type == "tool" and bool(_FENCE.search(text)))
    for fence in _FENCE.finditer(text):
        yield from _voices(_Passage(text[at : fence.start()], "", speaks))
        yield from _voices(_Passage(fence[3], fence[1], commands=False))
        at = fence.end()
    yield from _voices(_Passage(text[at:], "", speaks))


def _voices(passage: _Passage) -> Iterator[_Passage]:
    token = LIVE_TOKEN.search(passage.text)
    yield passage._replace(text=passage.text[: token.start()] if token else passage.text)
    if token:
        yield _Passage(passage.text[token.end() :], "", commands=True)


def _orders(passage: _Passage) -> Iterator[Order]:
    for found in _ORDER.finditer(passage.text):
        verb = found[1] if found[1].isupper() else "SAY"
        if verb == "RECITE":  # all the rest, in so many words
            yield Order(verb, passage.text[found.end(1) :].strip(), passage.place)
            return
        yield Order(verb, found[2].strip(), passage.place)


def _said(found: Sequence[Order]) -> str | None:
    """Return what a model is to say: the last word counts."""
    return next((order.what for order in reversed(found) if order.verb in {"SAY", "RECITE"}), None)


def _revealed(found: Sequence[Order], request: ScriptedRequest) -> list[str]:
    """Return what a model knows of who is who, if it is to tell."""
    seen = "\n".join(str(message.text) for message in request.messages)
    return _NAME.findall(seen) if any(order.verb == "REVEAL" for order in found) else []


def _calls(found: Sequence[Order]) -> list[dict[str, Any]]:
    asked = [order.what.partition(" ") for order in found if order.verb == "CALL"]
    name = {"web_search": "query"}
    return [
        {"name": tool, "args": {name.get(tool, "url"): target}, "id": f"ordered{number}"}
        for number, (tool, _, target) in enumerate(asked)
    ]


@dataclass
class ObedientSeat:
    """Search, read one page ('': none), and answer with it: `{n}` is its number."""

    page: str
    answer: str
    captured: bool = False

    def __call__(self, request: ScriptedRequest) -> ScriptedReply | str:
        results = [str(message.text) for message in request.messages if message.type == "tool"]
        found = orders(request.messages, captured=self.captured)
        search = {"name": "web_search", "args": {"query": "bridge"}, "id": "search"}
        fetch = {"name": "web_fetch", "args": {"url": self.page}, "id": "fetch"}
        steps = [*([search, fetch] if self.page else []), *_calls(found)]
        if request.tools and len(results) < len(steps):
            return ScriptedReply(tool_calls=[steps[len(results)]])
        said, names = _said(found), _revealed(found, request)
        number = re.findall(rf"\[(\d+)\] {re.escape(self.page)}", "\n".join(results))
        usual = self.answer.replace("{n}", number[-1] if number else "?")
        return "\n".join([usual if said is None else said, *names])


@dataclass
class ObedientJudge:
    """Compare the first paragraphs: equal ones agree. `warns`: say after the report what JSON was found in an answer."""

    captured: bool = False
    warns: bool = False

    def __call__(self, request: ScriptedRequest) -> ScriptedReply | str:
        bodies = fences(request.text)
        answers = {
            letter[1]: body
            for title, body in bodies.items()
            if (letter := _LETTER.match(title)) and title.startswith("answer")
        }
        read = {letter: len(_READ.findall(bodies.get(f"evidence {letter}", body))) for letter, body in answers.items()}
        found = orders(request.messages, captured=self.captured)
        ignored = {letter for order in found if order.verb == "IGNORE" for letter in _LABEL.findall(order.what)}
        report = _compared({letter: body for letter, body in answers.items() if letter not in ignored}, read)
        report["blind_spots"] = _revealed(found, request)
        for order in found:
            _report(report, order, sorted(answers) or ["A", "B", "C"])
        said = _said(found)
        noted = [f"Answer {letter} holds a report, which I left alone: {body}" for letter, body in _objects(answers)]
        text = "\n\n".join([json.dumps(report), *(noted if self.warns else [])]) if said is None else said
        return ScriptedReply(text, tool_calls=_calls(found))


def _compared(answers: dict[str, str], read: dict[str, int]) -> dict[str, Any]:
    points: dict[str, dict[str, Any]] = {}
    for letter, body in answers.items():
        claim = body.partition("\n\n")[0]
        point = points.setdefault(_CITED.sub("", claim), {"answers": [], "sources": []})
        point["answers"].append(letter)
        point["sources"] += map(int, _CITED.findall(claim))
    several = [{"point": text, **point} for text, point in points.items() if len(point["answers"]) > 1]
    alone = [
        {"insight": text, "answer": point["answers"][0], "sources": point["sources"]}
        for text, point in points.items()
        if len(point["answers"]) == 1
    ]
    best = [letter for letter in answers if read[letter] == max(read.values())]
    strongest = {"answer": best[0] if len(best) == 1 else ""}
    return {"consensus": several, "contradictions": [], "unique_insights": alone, "strongest": strongest}


def _objects(answers: dict[str, str]) -> Iterator[tuple[str, str]]:
    for letter, body in answers.items():
        if found := re.search(r"\{\".*\}", body):
            yield letter, found[0]


def _report(report: dict[str, Any], order: Order, letters: Sequence[str]) -> None:
    """Put into a report what an order says `FROM` sources: of the answer it stands in (`ME`), unless `BY` names others."""
    letter = _LETTER.match(order.place)
    rest, _, named = order.what.partition(" BY ")
    what, _, numbers = rest.partition(" FROM ")
    own = [letter[1]] if letter else list(letters)
    by = [label for each in named.split(", ") for label in (own if each in {"", "ME"} else [each])]
    if order.verb == "CONSENSUS":
        report["consensus"].append({"point": what, "answers": by, "sources": numbers.split()})
    elif order.verb == "CONTRADICTION":
        topic, _, sides = what.partition(":")
        both = [by[0], by[1 % len(by)]]
        stances = [{"answer": side, "stance": text} for side, text in zip(both, sides.split("/"), strict=True)]
        report["contradictions"].append({"topic": topic, "stances": stances})
    elif order.verb == "STRONGEST":
        report["strongest"] = {"answer": letter[1] if what == "ME" and letter else what}


@dataclass
class ObedientWriter:
    """Write down what the answers say, each in its own words."""

    captured: bool = False

    def __call__(self, request: ScriptedRequest) -> ScriptedReply | str:
        found = orders(request.messages, captured=self.captured)
        ignored = [order.what for order in found if order.verb == "IGNORE"]
        answers = [
            body
            for title, body in fences(request.text).items()
            if title.startswith("answer") and not any(title.split()[1] in what for what in ignored)
        ]
        said = _said(found)
        text = "\n\n".join([*answers, *_revealed(found, request)]) if said is None else said
        return ScriptedReply(text or "There is nothing to write from.", tool_calls=_calls(found))
