"""The grader that is never wrong: it looks an answer up in the key. Its replies are not always tidy."""

import json

from langchain_core.messages import AIMessage

from fusion_graph.evaluation.simulated.key import Known
from fusion_graph.models.scripted import ScriptedRequest
from fusion_graph.prompts import unfenced

_UNREADABLE = "I would rather not put this into a form."


def graded(request: ScriptedRequest, known: Known, told: str) -> str:
    """Return the verdict on the one criterion that a request shows, or on two answers, as JSON.

    It knows no protocol: of the fenced texts, the criterion is the one it knows and the response is the longest other.
    """
    bodies = unfenced(told)
    if {"answer A", "answer B"} <= bodies.keys():
        return _preferred(known, bodies["answer A"], bodies["answer B"])
    texts = [body for body in bodies.values() if body != known.task.problem]
    criterion = next((each for each in known.task.criteria if each.requirement in texts), None)
    if criterion is None:
        return _UNREADABLE
    response = max((text for text in texts if text != criterion.requirement), key=len, default="")
    point = known.points[criterion.id]
    return _reply(request, point.reply, is_met=point.shows_in(response), told=told)


def _reply(request: ScriptedRequest, manner: str, *, is_met: bool, told: str) -> str:
    is_repair = any(isinstance(message, AIMessage) for message in request.messages)
    if manner == "never" or (manner == "late" and not is_repair):
        return _UNREADABLE
    fields = ("criterion_status", "explanation"), ("verdict", "justification")
    verdict, reason = next((pair for pair in fields if pair[0] in told), fields[0])
    reply = {verdict: "MET" if is_met else "UNMET", reason: "It is said." if is_met else "It is not said."}
    text = json.dumps(reply)
    return f"```json\n{text[:-1]},}}\n```" if manner == "untidy" else text


def _preferred(known: Known, first: str, second: str) -> str:
    """Return which answer has more weight of points in it."""
    worth = [sum(point.weight for point in known.points.values() if point.shows_in(text)) for text in (first, second)]
    better = "TIE" if worth[0] == worth[1] else "A" if worth[0] > worth[1] else "B"
    return json.dumps({"reason": "It says more that holds.", "better": better})
