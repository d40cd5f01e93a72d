"""How much the page weighs, and how smoothly it runs with eight seats that all speak at once."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from fusion_graph.models.scripted import ScriptedReply
from tests.chatroom.cast import Gate, bridge, says, talkers
from tests.chatroom.conftest import Serve, Visit
from tests.chatroom.room import Room

SEATS, SECONDS, A_SECOND = 8, 20, 50  # words a second
TALK = ", ".join(f'"talker{number}"' for number in range(1, SEATS + 1))
PRESETS = f'[bridge]\npanel = [{TALK}]\njudge = "judge"\nwriter = "writer"\ntools = []\n'
MOST = 100_000  # bytes of the whole page on the wire


def talking(serve: Serve, visit: Visit, start: Gate) -> Room:
    """A run whose eight seats wait for a gate, then speak."""
    seats = talkers(SEATS, SECONDS * A_SECOND, 1 / A_SECOND, start=start)
    writer = says(ScriptedReply("Enough."))
    return visit(serve(bridge(**seats, writer=writer), presets=PRESETS)).ask()


@contextmanager
def counting(room: Room) -> Iterator[Callable[[], dict[str, float]]]:
    """Give what Chromium counts of the page: it counts while somebody is there to ask."""
    session = room.page.context.new_cdp_session(room.page)
    session.send("Performance.enable")
    yield lambda: {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()


def measured(serve: Serve, visit: Visit) -> dict[str, float]:
    """Watch eight seats speak; return the longest task (ms) and the share of time that scripts and layout took (%)."""
    start = Gate()
    room = talking(serve, visit, start)
    expect(room.status).to_contain_text("Panel 0 of 8")
    with counting(room) as counted:
        before, tasks = counted(), len(room.recorded("tasks"))
        start.open()
        expect(room.status).to_contain_text("Panel 8 of 8", timeout=120_000)
        after = counted()
    took = after["Timestamp"] - before["Timestamp"]

    def share(name: str) -> float:
        return round(100 * (after[name] - before[name]) / took, 1)

    longest = max([task["ms"] for task in room.recorded("tasks")[tasks:]], default=0.0)
    found = {"seconds": round(took, 1), "longest task, ms": longest, "script, %": share("ScriptDuration")}
    return found | {"layout, %": share("LayoutDuration"), "tasks, %": share("TaskDuration")}


def test_what_keeps_the_page_busy_is_noticed(room: Room) -> None:
    room.page.evaluate(
        "setTimeout(() => { const end = performance.now() + 120; while (performance.now() < end); })"  # a task of its own
    )

    room.page.wait_for_function("() => recorded.tasks.some((task) => task.ms > 100)")


@pytest.mark.full  # its figures are wall-clock time: tests beside it would be measured, too
def test_eight_seats_speak_without_a_stutter(serve: Serve, visit: Visit) -> None:
    found = measured(serve, visit)

    print(json.dumps(found))  # noqa: T201 -- the figures are what one wants to see
    # How long the longest task takes is the machine's affair as much as the page's: it is printed.
    assert found["script, %"] < 15, found
    assert found["layout, %"] < 15, found


def test_the_whole_page_is_small_and_all_of_it_is_ours(serve: Serve, visit: Visit) -> None:
    room = visit(serve())
    session = room.page.context.new_cdp_session(room.page)
    session.send("Network.enable")
    sizes: dict[str, int] = {}
    urls: dict[str, str] = {}
    session.on("Network.responseReceived", lambda told: urls.update({told["requestId"]: told["response"]["url"]}))
    session.on(
        "Network.loadingFinished", lambda told: sizes.update({told["requestId"]: int(told["encodedDataLength"])})
    )
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    room.ask().ended()
    room.page.reload()
    room.ended()
    room.go("/runs")
    expect(room.page.get_by_role("listitem")).to_have_count(1)

    ours = {urls[each]: size for each, size in sizes.items() if each in urls and "/v1/" not in urls[each]}
    print(json.dumps({"files": len(ours), "bytes": sum(ours.values())}))  # noqa: T201
    assert len(ours) > 3
    assert sum(ours.values()) < MOST, ours
