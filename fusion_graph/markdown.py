"""Text put into Markdown so that it is shown as it is."""

import re

# `[1]` is how this project cites and stays, unless it is an image or the text of a link; `_` inside a word marks nothing.
_CITED = r"(?<!!)\[[1-9]\d{0,2}\](?![(\[:])"
_MARKUP = re.compile(
    rf"({_CITED})|[\\`*<\[\]]|^[-+=#>~]|~(?=~)|(?<![^\W_])_|_(?![^\W_])|&(?=#|[A-Za-z]\w*;)|:(?=//)|(?<=(?i:www))\."
)
_LIST_NUMBER = re.compile(r"^(\d{1,9})(?=[.)])")
_AUTOLINK = re.compile(r"(?!(?i:javascript|vbscript|data):)[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]+")


def escaped(line: str) -> str:
    """Return a line of text as Markdown that shows it as it is: no link, no image, no address made into one."""
    marked = _MARKUP.sub(lambda found: found[1] or f"\\{found[0]}", line)
    return _LIST_NUMBER.sub(r"\1\\", marked)


def linked(address: str) -> str:
    """Return an address as a link, or escaped if none may lead there."""
    return f"<{address}>" if _AUTOLINK.fullmatch(address) else escaped(address)
