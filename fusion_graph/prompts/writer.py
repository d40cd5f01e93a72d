"""What the writer and the outer model are told."""

import json
import re
from collections.abc import Mapping, Sequence

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from fusion_graph.prompts import wording
from fusion_graph.prompts.blind import without_self
from fusion_graph.prompts.conversation import render_conversation
from fusion_graph.prompts.fences import cut, fenced, one_line, one_word
from fusion_graph.prompts.messages import asked, callers_own, render_system, system_text, with_text
from fusion_graph.schemas import Analysis, Claim, Contradiction, Source, Strongest

MAX_LISTED = 100  # sources told: those cited or read come first
MAX_TITLE_CHARS = 200
MAX_URL_CHARS = 500
MAX_DATE_CHARS = 40
MAX_EARLIER_CHARS = 20_000


def render_writer(
    messages: Sequence[BaseMessage],
    *,
    answers: Mapping[str, str],
    analysis: str,
    sources: Sequence[Source],
    tools: bool,
) -> list[BaseMessage]:
    """Return the writer's request: the conversation, with the material after the last user message's question.

    Without `answers` it is the plain conversation under the caller's own instructions. `tools`: the caller's are offered.
    """
    spoken = _spoken(messages, tools=tools)
    if not answers:
        caller = system_text(messages)
        return [render_system(caller), *spoken] if caller else spoken
    bodies = {"comparison": analysis} if analysis else {}
    bodies |= {f"answer {name}": without_self(text) for name, text in answers.items()}
    listed = _listed(sources, "\n".join(bodies.values()))
    bodies |= {"sources": listed} if listed else {}
    material = "\n\n".join([wording.WRITER_BEGIN, fenced(bodies), wording.WRITER_END])
    _add_to_question(spoken, material)
    return [render_system(wording.WRITER, wording.WRITER_TOOLS if tools else "", callers_own(messages)), *spoken]


def _spoken(messages: Sequence[BaseMessage], *, tools: bool) -> list[BaseMessage]:
    """Return the conversation, with what a panel's answers to an earlier message came to, the latest only."""
    spoken = render_conversation(messages, tools=tools)
    if earlier := _earlier_comparison(messages):
        _add_to_question(spoken, f"{wording.EARLIER}\n\n{fenced({'earlier comparison': earlier})}")
    return spoken


def _earlier_comparison(messages: Sequence[BaseMessage]) -> str:
    told = [m.text for m in asked(messages) if isinstance(m, ToolMessage) and m.name == wording.FUSION_TOOL_NAME]
    try:
        analysis = json.loads(told[-1]).get("analysis") if told else None
    except (ValueError, AttributeError, RecursionError):  # a client may have sent anything back
        return ""
    return cut(json.dumps(analysis, ensure_ascii=False), MAX_EARLIER_CHARS) if isinstance(analysis, dict) else ""


def _add_to_question(spoken: list[BaseMessage], material: str) -> None:
    last = max(i for i, message in enumerate(spoken) if isinstance(message, HumanMessage))
    spoken[last] = HumanMessage(with_text(spoken[last].content, material), id=spoken[last].id)


def _listed(sources: Sequence[Source], material: str) -> str:
    """Return the sources by number; of very many, those that the material cites, then those that were read."""
    cited = {int(digits) for group in re.findall(r"\[([\d,; ]+)\]", material) for digits in re.findall(r"\d+", group)}
    numbers = sorted(range(1, len(sources) + 1), key=lambda n: (n not in cited, not sources[n - 1]["read"]))
    return "\n".join(_source_line(number, sources[number - 1]) for number in sorted(numbers[:MAX_LISTED]))


def _source_line(number: int, source: Source) -> str:
    published, title = one_line(source["published"], MAX_DATE_CHARS), one_line(source["title"], MAX_TITLE_CHARS)
    how = ", ".join(part for part in ("read" if source["read"] else "only listed", published) if part)
    return f"[{number}] {title or 'untitled'} ({how}) {one_word(source['url'], MAX_URL_CHARS)}"


def render_analysis(analysis: Analysis) -> str:
    """Return the analysis for the writer: strongest first, then disagreements. Seats are called by their number.

    Each point is one line, whatever its text: else a text could go on with points of its own.
    """
    lines = [
        *_strongest_lines(analysis["strongest"]),
        *(line for clash in analysis["contradictions"] for line in _clash_lines(clash)),
        *_claim_lines("Said by several", analysis["consensus"]),
        *_claim_lines("Covered by some", analysis["partial_coverage"]),
        *_claim_lines("Found by one only", analysis["unique_insights"]),
        *(["Nobody answers:"] if analysis["blind_spots"] else []),
        *(f"- {spot}" for spot in analysis["blind_spots"]),
    ]
    return "\n".join(map(one_line, lines))


def _strongest_lines(strongest: Strongest | None) -> list[str]:
    if strongest is None:
        return []
    wanting = [f"- missing or wrong in it: {item}" for item in strongest["missing_or_wrong"]]
    return [f"Strongest, as advice: {_who([strongest['seat']])}. {strongest['why']}".strip(), *wanting]


def _clash_lines(clash: Contradiction) -> list[str]:
    better = f" (better supported: {_who([clash['better']])})" if clash["better"] else " (neither is better supported)"
    stances = (f"- {_who([s['seat']])}: {s['text']}{_cited(s['sources'])}" for s in clash["stances"])
    return [f"Contradiction on {clash['topic']}{better}:", *stances]


def _claim_lines(title: str, claims: Sequence[Claim]) -> list[str]:
    lines = [f"- {claim['text']}{_cited(claim['sources'])}{_said_by(claim)}" for claim in claims]
    return [f"{title}:", *lines] if lines else []


def _said_by(claim: Claim) -> str:
    """Return who makes a point; a comparison that a client has sent back does not tell."""
    note = f": {claim['note']}" if "note" in claim else ""
    return f" ({_who(claim['seats'])}{note})" if claim["seats"] else ""


def _who(seats: Sequence[int]) -> str:
    return ", ".join(f"answer {seat}" for seat in seats)


def _cited(numbers: Sequence[int]) -> str:
    return "".join(f" [{number}]" for number in numbers)


def render_decide(messages: Sequence[BaseMessage], *, tools: bool) -> list[BaseMessage]:
    """Return the outer model's request: the conversation, and that a panel can be asked. `tools`: the caller's too."""
    return [render_system(system_text(messages), wording.DECIDE), *_spoken(messages, tools=tools)]
