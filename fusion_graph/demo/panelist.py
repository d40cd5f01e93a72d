"""A seat of the demo: it searches with the question's words, opens some of the pages, and quotes what fits.

With a shell, it keeps what it quotes in a file, and counts the words.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, ToolMessage

from fusion_graph.demo.text import amounts, cite, sentences, terms
from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.prompts import unfenced
from fusion_graph.prompts.wording import CITE_AS

NOT_IN_CORPUS = "Not in the corpus: no page says anything about this."
_STEP = 3  # seats open every third result, so that three of them read different pages
_RESULTS = 12
_MOST_SENTENCES = 6
_ENOUGH = 0.33  # of the question's weight must be in a sentence
_CITED_AS = re.compile(r"\[(\d+)\] (\S+)")
_BRACKETS = re.compile(r"(?m)^\[characters .*\]$|\[\d+(?:, ?\d+)*\]")  # a page's own footnotes are no citations
_STOPPED = re.compile(r"[.!?\u3002\uff01\uff1f][\"\u201d\u00bb')]?$")
_LONGEST = 500  # characters of a sentence; a table or a list without stops is none
_KEEP = "cat > notes.md <<'END OF NOTES'\n{notes}\nEND OF NOTES\nwc -w notes.md"  # what a seat does with a shell
_QUOTED = re.compile(r"[\"“][^\"”]{12,}[\"”]")


@dataclass(frozen=True, slots=True)
class Style:
    """What makes one seat differ from another: the first result it opens, and how many."""

    first: int
    pages: int


@dataclass(frozen=True, slots=True)
class _Page:
    number: int
    url: str
    title: str
    text: str


def research(request: ScriptedRequest, question: str, style: Style) -> ScriptedReply | str:
    """Search, open pages, answer: the next step after what the messages hold."""
    results = [str(m.text) for m in request.messages if isinstance(m, ToolMessage)] or _notes(request.messages)
    offered = {tool["function"]["name"] for tool in request.tools}
    if not results and "web_search" in offered:
        query = " ".join(dict.fromkeys(w for w in re.findall(r"\w+", question) if terms(w))) or question
        return _call("web_search", {"query": query[:200], "max_results": _RESULTS})
    listed = list(_listed(results[0])) if results else []
    if len(results) == 1 and "web_fetch" in offered and (chosen := _chosen(listed, question, style)):
        return ScriptedReply(tool_calls=[_asked("web_fetch", number, {"url": page.url}) for number, page in chosen])
    opened = [page for text in results[1:] for page in _opened(text)]
    answer = _answer(question, opened, listed)
    if opened and "bash" in offered and not any(m.name == "bash" for m in request.messages):
        return _call("bash", {"command": _KEEP.format(notes=answer)})
    return answer


def _call(name: str, arguments: dict[str, object]) -> ScriptedReply:
    return ScriptedReply(tool_calls=[_asked(name, 0, arguments)])


def _asked(name: str, number: int, arguments: dict[str, object]) -> dict[str, object]:
    return {"name": name, "args": arguments, "id": f"demo{name.removeprefix('web_')}{number}"}


def _notes(messages: Sequence[BaseMessage]) -> list[str]:
    """Return the tool results as a seat is given them that must answer now."""
    notes = unfenced(str(messages[-1].text)).values()
    return [note for note in notes if CITE_AS in note]


def _numbers(result: str) -> dict[str, int]:
    """Return how the sources of a tool's result are cited, by URL."""
    _, _, listed = result.rpartition(CITE_AS)
    return {url: int(number) for number, url in _CITED_AS.findall(listed)}


def _listed(result: str) -> Iterator[_Page]:
    """Yield the pages of a search result in its order; `text` is what it tells of them."""
    numbers = _numbers(result)
    for block in result.partition(CITE_AS)[0].split("\n\n"):
        lines = block.splitlines()
        for url in [line for line in lines if line in numbers][:1]:
            yield _Page(numbers[url], url, lines[0], block)


def _opened(result: str) -> Iterator[_Page]:
    head, _, body = result.rpartition(CITE_AS)[0].partition("\n\n")
    lines = head.splitlines()
    for url, number in _numbers(result).items():
        if url in lines:
            yield _Page(number, url, lines[0], _BRACKETS.sub("", body))


def _chosen(listed: Sequence[_Page], question: str, style: Style) -> list[tuple[int, _Page]]:
    """Return the results this seat opens: every third of those that have to do with the question.

    They do if they hold a third of its words that few results hold: in `What does a panel cost?` that is `cost`.
    """
    seen = Counter(term for page in listed for term in terms(question) & terms(page.text))
    telling = {term for term, count in seen.items() if count * 2 <= len(listed)} or set(seen)
    fitting = [page for page in listed if telling and len(telling & terms(page.text)) * 3 >= len(telling)]
    first = style.first % len(fitting) if fitting else 0
    return list(enumerate(fitting[first::_STEP][: style.pages]))


def _answer(question: str, pages: Sequence[_Page], listed: Sequence[_Page]) -> str:
    found = list(_extracted(question, pages, listed))
    if not found:
        return NOT_IN_CORPUS
    said = terms(" ".join(found))
    missing = [word for word in dict.fromkeys(re.findall(r"\w+", question)) if terms(word) and not terms(word) & said]
    return "\n".join([*found, *([f"Looked for and not found: {', '.join(missing)}."] if missing else [])])


def _extracted(question: str, pages: Sequence[_Page], listed: Sequence[_Page]) -> Iterator[str]:
    """Yield the sentences that fit the question best, in the order in which they were read."""
    told = [(page, s) for page in pages for s in dict.fromkeys(sentences(page.text)) if _is_said(s)]
    asked = terms(question)
    seen = Counter(term for _, sentence in told for term in asked & terms(sentence))
    weight = {term: math.log(2 + len(told) / seen[term]) for term in seen}
    full = sum(weight.values()) + (len(asked) - len(weight)) * max(weight.values(), default=1.0)

    def worth(sentence: str) -> float:
        share = sum(weight[term] for term in asked & terms(sentence)) / full
        return share * (1.3 if amounts(sentence) else 1.0) * (1.2 if _QUOTED.search(sentence) else 1.0)

    worths = {index: worth(sentence) for index, (_, sentence) in enumerate(told)}
    fitting = [index for index, value in worths.items() if value >= _ENOUGH]
    for index in sorted(sorted(fitting, key=lambda index: -worths[index])[:_MOST_SENTENCES]):
        page, sentence = told[index]
        yield cite(sentence, _author(sentence, page, [*pages, *listed]))


def _is_said(sentence: str) -> bool:
    """Return whether a sentence says something in few words; a heading says nothing."""
    return len(sentence) <= _LONGEST and bool(_STOPPED.search(sentence) or amounts(sentence))


def _author(sentence: str, page: _Page, others: Sequence[_Page]) -> int:
    """Return the source to cite: a quotation is cited as the page's it is said to come from, if that was found."""
    if _QUOTED.search(sentence):
        for other in others:
            if other.number != page.number and other.title in sentence:
                return other.number
    return page.number
