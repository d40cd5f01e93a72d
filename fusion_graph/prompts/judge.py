"""What the judge is told."""

from collections.abc import Mapping, Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from fusion_graph.prompts import wording
from fusion_graph.prompts.blind import without_self
from fusion_graph.prompts.conversation import render_conversation
from fusion_graph.prompts.fences import cut, defused, fenced, one_line, one_word
from fusion_graph.prompts.messages import asked, callers_own, known_to_panel, render_system
from fusion_graph.schemas import SeatResult, Source

MAX_CONTEXT_CHARS = 40_000  # of the conversation before: the answers need the judge's context more
MAX_LISTED = 20  # sources told per answer: those that were read come first
MAX_PART_CHARS = 120  # of a source's title, and of its URL
MAX_REPEATED_CHARS = 20_000  # of an unusable answer that is shown to its author again


def render_judge(
    messages: Sequence[BaseMessage], answers: Mapping[str, str], evidence: Mapping[str, str]
) -> list[BaseMessage]:
    """Return the judge's request: the question, then each answer by its letter, and what its author looked at."""
    bodies: dict[str, str] = {}
    for label, text in answers.items():
        bodies |= {f"answer {label}": without_self(text)}
        bodies |= {f"evidence {label}": evidence[label]} if evidence.get(label) else {}
    begin = wording.JUDGE_BEGIN.format(count=len(answers))
    text = "\n\n".join([question_text(messages), begin, fenced(bodies), wording.JUDGE_END])
    return [render_system(wording.JUDGE), HumanMessage(text)]


def question_text(messages: Sequence[BaseMessage]) -> str:
    """Return the question as text, led by the caller's instructions and the conversation before it, if there are any.

    What was said before the question, and since, is fenced: all of it but the user's part is a model's or a tool's.
    """
    known = known_to_panel(messages)
    spoken = render_conversation(known, tools=False)
    since = render_conversation(known[max(len(asked(messages)) - 1, 0) :], tools=False)[1:]
    at = max(len(spoken) - len(since) - 1, 0)
    parts = [
        callers_own(messages, wording.JUDGE_CALLER),
        _told(wording.JUDGE_CONTEXT, spoken[:at]),
        wording.JUDGE_QUESTION.format(text=_seen(spoken[at])),
        _told(wording.JUDGE_SINCE, spoken[at + 1 :]),
    ]
    return "\n\n".join(part for part in parts if part)


def _told(frame: str, messages: Sequence[BaseMessage]) -> str:
    """Return messages as fenced text, the newest part of them if they are long."""
    lines = (f"{'User' if isinstance(m, HumanMessage) else 'Assistant'}: {_seen(m)}" for m in messages)
    text = "\n\n".join(lines)[-MAX_CONTEXT_CHARS:]
    return frame.format(text=fenced({"conversation": text})) if text else ""


def _seen(message: BaseMessage) -> str:
    """Return a message as text, with a note of what else is in it."""
    others = 0 if isinstance(message.content, str) else sum(_is_attached(block) for block in message.content)
    note = wording.JUDGE_ATTACHED.format(count=others) if others else ""
    return "\n".join(part for part in (str(message.text), note) if part)


def _is_attached(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("type") != "text"


def render_evidence_list(result: SeatResult, sources: Sequence[Source]) -> str:
    """Return what a seat looked at, one line per source with the run's number, those it read first.

    An error is told without its words: they may name the model.
    """
    own = set(result["sources"])
    found = [(number, source) for number, source in enumerate(sources, 1) if source["key"] in own]
    read = set(result["read"]) if "read" in result else {source["key"] for source in sources if source["read"]}
    listed = sorted(found, key=lambda pair: pair[1]["key"] not in read)
    lines = [_line(number, source, is_read=source["key"] in read) for number, source in listed[:MAX_LISTED]]
    more = [f"(and {len(found) - MAX_LISTED} more)"] if len(found) > MAX_LISTED else []
    error = result["error"]
    notes = [f"({note})" for note in result["notes"] if not error or error["message"] not in note]
    unfinished = [wording.UNFINISHED] if result["partial"] else []
    return "\n".join([*([wording.LOOKED_AT, *lines, *more] if lines else [wording.NO_SOURCE]), *unfinished, *notes])


def _line(number: int, source: Source, *, is_read: bool) -> str:
    how = "read" if is_read else "only listed"
    title, url = one_line(source["title"], MAX_PART_CHARS), one_word(source["url"], MAX_PART_CHARS)
    return f"[{number}] {how}: {title} {url}".replace("  ", " ")


def render_repair(request: Sequence[BaseMessage], answer: str, problem: str) -> list[BaseMessage]:
    """Return the judge's request with its unusable answer and what was wrong with it."""
    said = cut(defused(answer).strip(), MAX_REPEATED_CHARS) or "(nothing)"
    return [*request, AIMessage(said), HumanMessage(wording.JUDGE_REPAIR.format(problem=problem))]
