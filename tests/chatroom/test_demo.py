"""A machine without any key: the page works at once, and says that no language model does."""

import os
import re
from pathlib import Path

from playwright.sync_api import Browser, expect

from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from tests.chatroom.conftest import visits
from tests.server.conftest import Served, serving

PICTURE = Path(__file__).parents[2] / ".github" / "pictures" / "chatroom.png"
UPDATE = os.environ.get("FUSION_UPDATE_SNAPSHOTS") == "1"


def test_the_demo_is_the_panel_and_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    config = ServerConfig(tmp_path / "runs.db", environ={"FUSION_HOME": str(tmp_path), "FUSION_SEARCH": "none"})
    with serving(make_app(config)) as url, visits(browser) as visit:
        room = visit(Served(url, None, tmp_path / "runs.db", lambda: None))  # type: ignore[arg-type]
        expect(room.page.get_by_role("combobox", name="Panel", exact=True)).to_have_value("demo")
        expect(room.page.get_by_text("Offline demo: no language model is asked")).to_be_visible()
        expect(room.page.get_by_text("It costs nothing")).to_be_visible()
        room.page.get_by_role("button", name=re.compile("^Does a panel")).click()
        room.press("Enter")

        room.ended()

        expect(room.status).to_contain_text("offline demo: no language model")
        expect(room.status).to_contain_text("3 of 3 seats")
        expect(room.answer.locator(".cite").first).to_be_visible()
        expect(room.comparison.get_by_role("heading", level=3).first).to_be_visible()
        expect(room.sources.get_by_role("listitem").first).to_be_visible()
        if UPDATE:
            room.page.set_viewport_size({"width": 900, "height": 1500})
            room.page.evaluate("window.scrollTo(0, 0)")
            room.page.screenshot(path=PICTURE)
    assert PICTURE.stat().st_size > 10_000, "FUSION_UPDATE_SNAPSHOTS=1 takes README's picture of the page"
