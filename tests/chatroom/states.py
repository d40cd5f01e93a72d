"""The page's screens and states, each brought about through a real server: what all of them are looked at in."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedError, ScriptedReply
from tests.chatroom.cast import (
    ANSWER,
    EAST,
    NORTH,
    OPENING,
    SOUTH,
    SPAN,
    Gate,
    bridge,
    compares,
    fails,
    halting,
    reads,
    says,
)
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import Room

KEY = "a-key-of-sixteen-characters-or-more"
LIMITED = ScriptedError("Rate limit reached", status_code=429, headers={"retry-after": "60"})
EIGHT = """
[eight]
panel = ["north", "south", "east", "north", "south", "east", "north", "south"]
judge = "judge"
writer = "writer"
"""
ONE = '[one]\npanel = ["north"]\njudge = "judge"\nwriter = "writer"\n'
RICH = """Both figures are in print; see [the table][t] and https://example.org/a/very/long/path/that/goes/on?with=parameters&and=more.

| Source | Year | Span (m) | Cost (£) | Measured between | Published in |
|---|---|---|---|---|---|
| The opening | 1932 | 503 | 10,000,000 | the abutments | the Proceedings of the Institution |
| Spans compared | 1932 | 504 | 10,000,000 | the pylons | a yearbook of engineers |

```python
def span(pylons: tuple[float, float], *, unit: str = "metres", precision: int = 1) -> float:  # a long line of code
    return round(abs(pylons[1] - pylons[0]), precision)
```

> It opened in 1932 [1].

1. first
2. second
   - nested

افتُتح الجسر عام 1932 ويبلغ طوله 503 أمتار [1].

[t]: https://example.org/table
"""


def first_visit(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = visit(serve(), **options)
    expect(room.page.get_by_text("compares, writer writes")).to_be_visible()
    return room


def panel_editor(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = first_visit(serve, visit, **options)
    room.button("Change panel").click()
    room.button("Settings of seat 1").click()
    return room


def picker_open(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = panel_editor(serve, visit, **options)
    room.field("Seat 2").click()
    expect(room.options("Seat 2").first).to_be_visible()
    return room


def running(serve: Serve, visit: Visit, **options: Any) -> Room:
    """One seat speaks, one has researched and thinks, one is asked again later."""
    gate = Gate()
    north = reads(OPENING, halting("The bridge opened in 1932 [1]. ", gate, "Its span is 503 metres [1]."))
    room = visit(serve(bridge(north=north, south=reads(SPAN, SOUTH, gate=gate), east=says(LIMITED))), **options).ask()
    expect(room.seat(1, "north")).to_contain_text("answering")
    expect(room.seat(2, "south")).to_contain_text("read: engineers.example/span")
    expect(room.seat(3, "east")).to_contain_text("429")
    return room


def folded(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = visit(serve(bridge(judge=compares(Gate()))), **options).ask()
    expect(room.comparison).to_contain_text("judge compares 3 answers")
    return room


def writing(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = visit(serve(bridge(writer=says(halting("The bridge opened in 1932", Gate(), " [1].")))), **options).ask()
    expect(room.answer).to_contain_text("opened in 1932")
    return room


def finished(serve: Serve, visit: Visit, **options: Any) -> Room:
    return visit(serve(), **options).ask().ended()


def seat_open(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = finished(serve, visit, **options)
    room.opener(2, "south").click()
    expect(room.text_of(2)).to_contain_text("504 metres")
    return room


def citation_target(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = finished(serve, visit, **options)
    room.answer.get_by_role("link", name="[1]").first.click()
    expect(room.button("back to the text")).to_be_visible()
    return room


def degraded(serve: Serve, visit: Visit, **options: Any) -> Room:
    models = bridge(south=fails(401, "No such key"), east=says(ScriptedReply(EAST)), judge=says("no JSON at all"))
    return visit(serve(models), **options).ask().ended("Degraded answer")


def no_answer(serve: Serve, visit: Visit, **options: Any) -> Room:
    names = ("north", "south", "east", "judge", "writer")
    models = bridge(**{name: fails(402, "No credit left") for name in names})
    return visit(serve(models), **options).ask().ended("No panel answer")


def paused(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = first_visit(serve, visit, **options)
    room.button("Change panel").click()
    room.page.get_by_role("checkbox", name="Ask me again before the panel is paid").check()
    return room.ask().ended("Paused")


def stopped(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = visit(serve(bridge(south=reads(SPAN, SOUTH, gate=Gate()))), **options).ask()
    expect(room.seat(1, "north")).to_contain_text("answered")
    room.button("Stop").click()
    return room.ended("Stopped")


def version(serve: Serve, visit: Visit, **options: Any) -> Room:
    """A run made anew with another judge."""
    other = says(ScriptedReply(ANSWER.replace("ten million", "10 million"), cost=0.03))
    room = visit(serve(bridge(second=compares(cost=0.05), another=other)), **options).ask().ended()
    room.page.get_by_text("With another judge, writer or seat").click()
    for role, model in (("Another judge", "second"), ("Another writer", "another")):
        room.field(role).fill(model)
        room.press("Tab")
    room.button("Make this version").click()
    expect(room.versions).to_contain_text("Version 2 of 2")
    return room.ended()


def side_by_side(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = version(serve, visit, **options)
    room.link("Side by side").click()
    expect(room.page.get_by_role("region", name="Version 2")).to_be_visible()
    return room


def history(serve: Serve, visit: Visit, **options: Any) -> Room:
    """One run under way, one made anew, one that failed."""
    gate = Gate()
    room = visit(serve(bridge(south=says(SOUTH, gate=gate))), **options).ask("Is this one still under way?")
    room.go().ask("Was this one stopped?").button("Stop").click()
    room.ended("Stopped")
    gate.open()
    room.go().ask().ended()
    room.redo("Write again").click()
    expect(room.versions).to_be_visible()
    room.ended().link("Runs").click()
    expect(room.page.get_by_role("listitem")).to_have_count(4)
    return room


def sign_in(serve: Serve, visit: Visit, **options: Any) -> Room:
    room = visit(serve(keys=[KEY]), **options)
    room.faults.expect("status of 401")
    expect(room.title).to_have_text("Sign in")
    return room


def rich(serve: Serve, visit: Visit, **options: Any) -> Room:
    """An answer with all that Markdown has, also from right to left."""
    seats = {name: says(text) for name, text in (("north", NORTH), ("south", RICH), ("east", EAST))}
    room = visit(serve(bridge(**seats, writer=says(RICH))), **options).ask("متى افتُتح الجسر وما طوله؟").ended()
    room.opener(2, "south").click()
    return room


def eight(serve: Serve, visit: Visit, **options: Any) -> Room:
    gate = Gate()
    models = bridge(
        north=says(halting(NORTH, gate)), south=says(halting(SOUTH * 20, gate)), east=fails(403, "Forbidden")
    )
    room = visit(serve(models, presets=EIGHT, FUSION_PRESET="eight"), **options).ask()
    expect(room.seat(8, "south")).to_contain_text("answering")
    return room


def one(serve: Serve, visit: Visit, **options: Any) -> Room:
    return visit(serve(presets=ONE, FUSION_PRESET="one"), **options).ask().ended()


State = Callable[..., Room]
STATES: dict[str, State] = {
    state.__name__: state
    for state in (
        first_visit, panel_editor, picker_open, running, folded, writing, finished, seat_open, citation_target, degraded,
        no_answer, paused, stopped, version, side_by_side, history, sign_in, rich, eight, one,
    )
}  # fmt: skip
