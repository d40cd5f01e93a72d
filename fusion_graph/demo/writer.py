"""The writer of the demo: it puts what the comparison holds into paragraphs, sentence by sentence, with its sources."""

import re
from collections.abc import Iterator, Sequence

from fusion_graph.demo.panelist import NOT_IN_CORPUS
from fusion_graph.demo.text import cite, sentences, statements

NOTICE = "Offline demo: no language model."
EXTRACTED = f"{NOTICE} Every sentence below is taken from a page that was found."
_CITED = re.compile(r"\[(\d+)\]")
_HEADING = re.compile(
    r"^(?:(?P<list>Said by several|Covered by some|Found by one only|Nobody answers):|Contradiction on (?P<topic>.*) \(.*)$"
)
_WHO = re.compile(r" \(answer \d+(?:, answer \d+)*(?:: [^()]+)?\)$|^answer \d+: ")


def write(bodies: dict[str, str]) -> str:
    """Return the answer from the fenced material of the writer's request, by title."""
    parts = dict(_parts(bodies.get("comparison", "")))
    agreed = [line for line in parts.get("Said by several", []) if _CITED.search(line)]
    alone = [line for line in parts.get("Found by one only", []) if _CITED.search(line)]
    clashes = {title: lines for title, lines in parts.items() if title.startswith("on ")}
    if not (agreed or alone or clashes):
        return "\n\n".join([NOTICE, *_from_answers(bodies)])
    blocks = [
        *_block("Answers agree", map(_agreed, agreed)),
        *(_block_of_clash(title.removeprefix("on "), lines) for title, lines in clashes.items()),
        *_block("Only one answer found", map(_sentence, alone)),
        *_block("Not found", (line for line in parts.get("Nobody answers", []))),
    ]
    return "\n\n".join([EXTRACTED, *blocks])


def _parts(comparison: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the lists of a comparison by their headings; a contradiction's is `on` and its topic."""
    lines: list[str] = []
    for line in comparison.splitlines():
        if heading := _HEADING.match(line):
            lines = []
            yield heading["list"] or f"on {heading['topic']}", lines
        elif line.startswith("- "):
            lines.append(_WHO.sub("", _WHO.sub("", line.removeprefix("- "))))


def _sentence(line: str) -> str:
    """Return a line of the comparison as a sentence that cites before its stop."""
    return cite(_CITED.sub("", line).strip(), *map(int, _CITED.findall(line)))


def _agreed(line: str) -> str:
    """Return what answers agree on; that they read the same page is no agreement of pages."""
    return _sentence(line) + (" (All have it from one page.)" if len(_CITED.findall(line)) == 1 else "")


def _block(title: str, lines: Iterator[str]) -> list[str]:
    told = [f"- {line}" for line in lines]
    return ["\n".join([f"**{title}**", *told])] if told else []


def _block_of_clash(topic: str, lines: Sequence[str]) -> str:
    return "\n".join([f"**Sources disagree: {topic}**", *(f"- {_sentence(line)}" for line in dict.fromkeys(lines))])


def _from_answers(bodies: dict[str, str]) -> list[str]:
    """Return what the answers say themselves: there is no comparison, or nothing in it."""
    answers = [text for title, text in bodies.items() if title.startswith("answer ")]
    said = [cite(s.text, *s.sources) for number, text in enumerate(answers) for s in statements(str(number), text)]
    if said:
        return ["\n".join(f"- {sentence}" for sentence in dict.fromkeys(said))]
    first = [sentence for text in answers for sentence in sentences(text)][:1]
    return [NOT_IN_CORPUS if not first or NOT_IN_CORPUS in first[0] or len(answers) > 1 else first[0]]
