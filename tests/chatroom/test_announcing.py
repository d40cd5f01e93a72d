"""What who does not see the page hears of a run: milestones, few and never in the way."""

from itertools import pairwise

from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import Gate, bridge, fails, long_text, says, talkers
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import Room
from tests.chatroom.states import running

SEATS = 8


def of_eight(serve: Serve, visit: Visit, *, words: int = 60) -> Room:
    """A run of eight seats that end at different times, watched to its end."""
    seats = talkers(SEATS - 1, words, 0.02) | {"talker8": fails(403, "Forbidden")}
    for number in range(1, SEATS):
        seats[f"talker{number}"] = says(ScriptedReply(long_text(words + 12 * number, number), pause=0.02))
    names = ", ".join(f'"talker{number}"' for number in range(1, SEATS + 1))
    presets = f'[bridge]\npanel = [{names}]\njudge = "judge"\nwriter = "writer"\ntools = []\n'
    writer = says(ScriptedReply(long_text(60), pause=0.01))
    return visit(serve(bridge(**seats, writer=writer), presets=presets)).ask().ended("Degraded answer")


def test_milestones_are_told_at_most_once_a_second_and_few_in_all(serve: Serve, visit: Visit) -> None:
    room = of_eight(serve, visit)
    expect(room.told).to_contain_text("answer ready, 60 words")
    told = room.recorded("told")
    in_run = [each for each in told if 'id="told"' in each["where"]]

    assert 3 <= len(in_run) <= 20, in_run
    assert all(later["at"] - earlier["at"] >= 990 for earlier, later in pairwise(in_run)), in_run
    words = " ".join(each["text"] for each in in_run)
    for part in ("7 of 8 answered", "seat 8 failed", "comparison ready", "answer ready"):
        assert part in words


def test_what_streams_is_no_live_region_and_busy_until_its_end(serve: Serve, visit: Visit) -> None:
    room = of_eight(serve, visit)

    assert {each["where"] for each in room.recorded("told") if each["length"] > 300} == set()
    assert room.page.locator("[aria-live] .text, [role=log], .text[aria-live], .body[aria-live]").count() == 0
    expect(room.page.locator("[aria-busy=true]")).to_have_count(0)


def test_events_never_move_the_focus(serve: Serve, visit: Visit) -> None:
    room = of_eight(serve, visit)

    after_asking = [where for where in room.recorded("focus") if "<h1" in where]
    assert room.recorded("focus")[-1].startswith("<h1")
    assert len(after_asking) == 1
    expect(room.title).to_be_focused()


def test_a_reader_keeps_the_focus_where_it_is(serve: Serve, visit: Visit) -> None:
    gate = Gate()
    room = visit(serve(bridge(south=says(ScriptedReply("Late."), gate=gate)))).ask()
    expect(room.status).to_contain_text("Panel 2 of 3")
    room.text_of(1).focus()

    gate.open()

    room.ended()
    expect(room.text_of(1)).to_be_focused()


def test_what_ends_a_run_badly_is_an_alert_once(serve: Serve, visit: Visit) -> None:
    models = bridge(**{name: fails(402, "No credit left") for name in ("north", "south", "east", "judge", "writer")})
    room = visit(serve(models)).ask().ended("No panel answer")
    expect(room.page.get_by_role("alert").filter(has_text="no panel answer")).to_have_count(1)
    alerts = [each for each in room.recorded("told") if 'role="alert"' in each["where"]]

    assert len(alerts) == 1
    assert "no panel answer" in alerts[0]["text"]


def test_a_clock_is_not_read_out(serve: Serve, visit: Visit) -> None:
    room = running(serve, visit)
    expect(room.status).to_contain_text("0:02")

    assert not [each for each in room.recorded("told") if "0:0" in each["text"]]
