"""README's picture of a terminal is what `fusion demo` shows. FUSION_UPDATE_SNAPSHOTS=1 draws it anew."""

import os
from collections.abc import Mapping
from pathlib import Path

from tests.forked import Forked
from tests.terminal.emulator import Terminal, settled
from tests.terminal.picture import picture

PICTURE = Path(__file__).parents[2] / ".github" / "pictures" / "terminal.svg"
UPDATE = os.environ.get("FUSION_UPDATE_SNAPSHOTS") == "1"


def test_the_picture_shows_what_the_demo_shows(forked: Forked, environ: Mapping[str, str]) -> None:
    terminal = Terminal(forked, environ, columns=110)
    try:
        assert terminal.run("demo") == 0
        drawn = picture(terminal.screen, settled(terminal.text))
    finally:
        terminal.close()

    if UPDATE:
        PICTURE.write_text(drawn, encoding="utf-8")
    assert drawn == PICTURE.read_text(encoding="utf-8")
