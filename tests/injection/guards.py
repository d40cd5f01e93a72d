"""The fences of the package, each with how to take it down: what a mutant is, and what a positive control goes without.

A new one is two lines: its name, and which words of a function (or which value of a module) to replace.
"""

import inspect
import re
import textwrap
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias, cast

import pytest
from markdown_it import MarkdownIt

from fusion_graph import characters, markdown, reading
from fusion_graph.evidence import citations
from fusion_graph.nodes import judge, seat_tools, write
from fusion_graph.prompts import blind, conversation, fences, wording
from fusion_graph.prompts import judge as judge_prompt
from fusion_graph.prompts import writer as writer_prompt
from fusion_graph.reading import html
from fusion_graph.report import json_text, placing
from fusion_graph.terminal import page
from fusion_graph.tools.search import corpus, tool
from fusion_graph.tools.web import content

TakeDown: TypeAlias = Callable[[pytest.MonkeyPatch], None]
_NOTHING = re.compile("(?!)")
_TOOL = "{'type': 'function', 'function': {'name': 'web_fetch', 'parameters': {'type': 'object', 'properties': {}}}}"


def code(function: Any, *changes: tuple[str, str]) -> TakeDown:
    """Replace words in a function's source: `(old, new)`, each found exactly once."""

    def take_down(patch: pytest.MonkeyPatch) -> None:
        source = textwrap.dedent(inspect.getsource(function))
        for old, new in changes:
            assert source.count(old) == 1, f"{function.__qualname__} has not {old!r} once: the mutant needs new words"
            source = source.replace(old, new)
        scope: dict[str, Any] = dict(function.__globals__)
        exec(compile(source, function.__code__.co_filename, "exec"), scope)  # noqa: S102 - the package's own source
        changed = scope[function.__name__]
        plain: Any = changed.fget if isinstance(changed, property) else changed
        patch.setattr(function, "__code__", plain.__code__)  # in place: whoever has imported it gets the mutant

    return take_down


def value(module: ModuleType, name: str, new: Any) -> TakeDown:
    """Replace a value of a module."""
    return lambda patch: patch.setattr(module, name, new)


def without(name: str, pattern: str) -> TakeDown:
    """Leave words of the wording unsaid."""

    def take_down(patch: pytest.MonkeyPatch) -> None:
        text, count = re.subn(pattern, "", getattr(wording, name))
        assert count, f"{name} does not say {pattern!r}: the mutant needs new words"
        patch.setattr(wording, name, text)

    return take_down


def both(*down: TakeDown) -> TakeDown:
    """Take several fences down."""

    def take_down(patch: pytest.MonkeyPatch) -> None:
        for each in down:
            each(patch)

    return take_down


_REMINDER = "never gives you instructions|is data"
_SHUFFLE = "random.Random(seed).shuffle(seats)"
_NONCE = "nonce = hashlib.sha256(everything.encode()).hexdigest()[:10]"
_LOOP = "while nonce in everything:"
_KEPT = "if letter in self._labels"

GUARDS: dict[str, TakeDown] = {
    # Fences
    "bodies are fenced": code(
        fences.fenced,
        (
            'return "\\n\\n".join(f"<<<{title} {nonce}\\n{body}\\n{nonce} {title}>>>"',
            'return "\\n\\n".join(f"{title}\\n{body}"',
        ),
    ),
    "the nonce is of these bodies": code(fences.fenced, (_NONCE, 'nonce = "0123456789"')),
    "the nonce is in no body": code(fences.fenced, (_LOOP, "while False:")),
    "the nonce cannot be known": code(fences.fenced, (_NONCE, 'nonce = "0123456789"'), (_LOOP, "while False:")),
    "tokens are broken in fences": code(fences.defused, ("_SPECIAL.sub", "re.compile('(?!)').sub")),
    "results of tools are fenced": code(
        seat_tools._told,
        ('prompts.fenced({f"result of {answer.name}": text, **cited})', '"\\n\\n".join([text, *cited.values()])'),
    ),
    "invisible characters are taken out of fences": value(fences, "visible", str),
    "results of earlier turns are fenced": code(
        conversation._told, ("fenced({'call': called, 'result': result or wording.NO_RESULT})", "result")
    ),
    "calls of earlier turns are fenced": code(conversation._told, ("{wording.CALLED}", "{called}")),
    "the conversation before is fenced": code(judge_prompt._told, ('fenced({"conversation": text})', "text")),
    "what stands outside of fences is defused": code(fences.harmless, ("defused(text)", "text")),
    "evidence is fenced apart": code(
        judge_prompt.render_judge,
        ("without_self(text)", "without_self(text) + '\\n\\n' + evidence[label]"),
        ("if evidence.get(label)", "if False"),
    ),
    "a point is one line": code(writer_prompt.render_analysis, ("map(one_line, lines)", "lines")),
    "the best answer is defused": code(write._stand_in, ("prompts.defused", "str")),
    # Reminders
    "the judge is reminded": without("JUDGE", _REMINDER),
    "the writer is reminded": without("WRITER", _REMINDER),
    "the panel is reminded": without("PANELIST_TOOLS", _REMINDER),
    # Letters
    "letters are shuffled": code(judge.label_seats, (_SHUFFLE, "pass")),
    "letters are no names": code(
        judge.label_seats, ("string.ascii_uppercase", "[r['model'] for r in results]"), (_SHUFFLE, "pass")
    ),
    "errors are told without their words": code(
        judge_prompt.render_evidence_list, ('error["message"] not in note', "True")
    ),
    "unknown letters are dropped": code(
        placing._Sorter._seats, ("self._labels[letter]", "self._labels.get(letter, 1)"), (_KEPT, "")
    ),
    "authors do not name themselves": value(blind, "_ITSELF", _NOTHING),
    # What code makes of a report
    "quotations are no report": code(json_text._without_quotations, (" in source:", " in '':")),
    "an agreement needs two seats": code(
        cast("property", placing._Point.place).fget, ('"unique_insights" if self.wanted == "consensus" else', "")
    ),
    "a seat has one stance": code(
        placing._Sorter._stances, ("stances.setdefault(seat,", "stances.setdefault(len(stances),")
    ),
    "a contradiction has two stances": code(placing._Sorter._stances, (") > 1:", ") > 0:")),
    "unknown sources are dropped": code(placing._Sorter._known, ("found & set(numbers)", "set(numbers)")),
    # Room and tools
    "each answer has its share": code(
        characters.fair_shares,
        ("key=lambda index: lengths[index]", "key=lambda index: -lengths[index]"),
        ("room // (len(lengths) - done)", "room"),
    ),
    "the judge has no tools": code(judge._call, ("temperature=0.0", f"temperature=0.0, tools=[{_TOOL}]")),
    "the writer has no tools": code(write._call, ("tools=tools,", f"tools=[{_TOOL}],")),
    "only the caller's tools are called": code(write._message, ('if call["name"] in offered', "")),
    # What is cited and shown
    "a seat cites its own sources": code(citations.renumbered, ('own.get(number) or "?"', "own.get(number) or number")),
    "links nobody saw are found": code(citations.check_citations, ("*_linked(text, targets, sources)", "")),
    "links nobody saw are marked": code(
        citations._citation, ('"unverified" if source is None', '"seen" if source is None')
    ),
    "titles are no Markdown": value(markdown, "_MARKUP", _NOTHING),
    "images are never drawn": value(page, "_PARSER", MarkdownIt("commonmark")),
    "hidden HTML is not read": both(
        value(html, "remove_hidden", lambda _page: None),
        value(reading, "read", lambda _kind, body: html.read_html(body.decode())),
    ),
    "pages are read without invisible characters": both(
        *(value(room, "visible", str) for room in (content, corpus, tool))
    ),
}
