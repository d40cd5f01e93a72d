"""A page of the browser that everything is noted of which must not happen, and what it looks like to all kinds of readers."""

import json
import os
import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Dialog, Error, Page, Request

SCREENSHOTS = os.environ.get("FUSION_SCREENSHOTS", "")  # read here: tests run without the machine's own variables
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_SCRIPTS = Path(__file__).parent / "scripts"
_COVERED = {"bgOverlap", "elmPartiallyObscured", "elmPartiallyObscuring"}  # axe-core's words
_EMPTY = ("about:", "data:", "blob:")


@dataclass
class Faults:
    """What went wrong in the pages of a test; `expects` are patterns of what the test brings about itself."""

    url: str
    found: list[str] = field(default_factory=list)
    expects: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Note what happens in a context's pages from now on."""
        context.on("console", lambda message: self._console(message.type, message.text))
        context.on("weberror", lambda error: self.found.append(f"error: {error.error}"))
        context.on("dialog", self._dialog)
        context.on("request", self._request)
        context.expose_binding("noteViolation", lambda _source, text: self.found.append(f"policy: {text}"))
        context.add_init_script(path=_SCRIPTS / "recording.js")

    def expect(self, pattern: str) -> None:
        """Take faults that match for what the test is about."""
        self.expects.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        return [fault for fault in self.found if not any(re.search(pattern, fault) for pattern in self.expects)]

    def _console(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.found.append(f"console: {text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.url, *_EMPTY)):
            self.found.append(f"foreign request: {request.url}")


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def assert_accessible(page: Page, where: str, *, rules: tuple[str, ...] = RULES) -> None:
    """Have axe-core look at the page as it is; nothing may be wrong, and no contrast undecided."""
    found = _checked(page, rules)
    wrong = [_told(rule) for rule in found["violations"]]
    unsure = [_told(rule) for rule in found["incomplete"] if rule["id"] == "color-contrast" and not _is_decided(rule)]
    dim = page.evaluate(script("dim_drawings"))
    assert not wrong + unsure + dim, f"{where}:\n" + "\n".join(wrong + unsure + dim)


def _is_decided(rule: dict[str, Any]) -> bool:
    """Say whether all that is undecided lies under something else, is scrolled out of sight, or is drawn (seen to elsewhere)."""
    texts = [node for node in rule["nodes"] if not node["html"].startswith("<text ")]
    return {check["data"]["messageKey"] for node in texts for check in node["any"]} <= _COVERED


def _checked(page: Page, rules: tuple[str, ...]) -> dict[str, Any]:
    """Run axe-core in a world of its own: the page's policy lets no foreign script in."""
    session = page.context.new_cdp_session(page)
    frame = session.send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    world = session.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})["executionContextId"]
    options = {"runOnly": {"type": "tag", "values": rules}, "resultTypes": ["violations", "incomplete"]}
    run = f"axe.run(document, {json.dumps(options)}).then((found) => JSON.stringify(found))"
    asked = {"contextId": world, "awaitPromise": True, "returnByValue": True}
    session.send("Runtime.evaluate", {"expression": _axe(), "contextId": world})
    answer = session.send("Runtime.evaluate", {"expression": run, **asked})
    session.detach()
    assert "exceptionDetails" not in answer, answer
    found: dict[str, Any] = json.loads(answer["result"]["value"])
    return found


def _told(rule: dict[str, Any]) -> str:
    nodes = [f"  {node['html'][:200]}\n    {node.get('failureSummary', '')}" for node in rule["nodes"]]
    return f"{rule['id']}: {rule['help']}\n" + "\n".join(nodes)


def shoot(page: Page, folder: Path, name: str) -> Path:
    """Keep a picture of the whole page."""
    kept = Path(SCREENSHOTS) if SCREENSHOTS else folder
    kept.mkdir(parents=True, exist_ok=True)
    path = kept / f"{name}.png"
    try:
        page.screenshot(path=path, full_page=True)
    except Error:  # Chromium cannot always, where many tests share a machine
        page.screenshot(path=path, full_page=True)
    return path


def script(name: str) -> str:
    """Return a function that is run in the page."""
    lines = (_SCRIPTS / f"{name}.js").read_text(encoding="utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("//"))


def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    found: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return max(found, 0)
