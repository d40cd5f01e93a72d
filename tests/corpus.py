"""Three pages that stand for the web."""

from pathlib import Path

PAGES = {
    "bridge.md": "url: https://bridges.example/opening\ntitle: The opening of the bridge\n\nThe bridge opened in 1932 "
    "after eight years of work. Its span is 503 metres.",
    "span.md": "url: https://engineers.example/span\ntitle: Spans compared\n\nThe span of the bridge is 504 metres, "
    "measured between the pylons. It opened in 1932.",
    "cost.md": "url: https://money.example/cost\ntitle: What it cost\n\nThe bridge cost ten million pounds, paid off in 1988.",
}


def write_corpus(folder: Path) -> Path:
    """Write the pages into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder
