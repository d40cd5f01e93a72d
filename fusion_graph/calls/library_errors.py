"""Read what model libraries raise: its words, its HTTP status, how long to wait. They share no class, only habits.

Nothing here raises, whatever an exception's own properties and `__str__` do.
"""

import asyncio
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any

from fusion_graph.errors import LeaseLostError, redact

MAX_SHOWN_CHARS = 500
MAX_SAID_CHARS = 8_000  # of what is searched: some servers answer with a page of HTML, or echo the whole request
_MAX_CAUSES = 5  # deep enough, and safe from cycles


def is_ours(exception: BaseException) -> bool:
    """Tell whether an exception is not the library's at all: a cancelled caller, a lost lease, the end of the program.

    A cancellation that nobody asked this task for is the library's; a group holds one when the library's tasks were cut.
    """
    if isinstance(exception, Exception):
        return isinstance(exception, LeaseLostError)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        return True
    if isinstance(exception, BaseExceptionGroup):
        return exception.split((Exception, asyncio.CancelledError))[1] is not None
    return not isinstance(exception, asyncio.CancelledError)


def chain(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its causes; of a group the first it holds."""
    current: BaseException | None = exception
    for _ in range(_MAX_CAUSES):
        while isinstance(current, BaseExceptionGroup):
            current = current.exceptions[0]
        if current is None:
            return
        yield current
        current = current.__cause__


def said(exception: BaseException) -> str:
    """Return all that an exception says, its causes and the server's answer included: to be searched, never shown."""
    details = (_read(each, name) for each in chain(exception) for name in ("body", "details", "code", "type", "param"))
    texts = [_text(each) for each in (*chain(exception), *details) if each is not None]
    return " ".join(texts)[:MAX_SAID_CHARS]


def shown(text: str) -> str:
    """Return a foreign text as it may be stored and printed: on one line, short, without secrets."""
    return redact(" ".join(text[:MAX_SAID_CHARS].split()))[:MAX_SHOWN_CHARS]


def message_of(exception: BaseException) -> str:
    """Return an exception's text, to be shown, with the reason behind one that gives none."""
    first, *causes = chain(exception)
    text = _text(first).strip() or type(first).__name__
    body = _read(first, "body")
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    more = metadata.get("raw") if isinstance(metadata, Mapping) else None  # OpenRouter: words of the provider behind it
    if not more and status_of(exception) is None:
        more = next((_named(cause) for cause in causes if not _text(cause) or _text(cause) not in text), None)
    return shown(f"{text} ({_text(more)})" if more else text)


def _named(exception: BaseException) -> str:
    return f"{type(exception).__name__}: {_text(exception)}".removesuffix(": ")


def status_of(exception: BaseException) -> int | None:
    """Return the HTTP status of an error, None for 200 as well: that one came inside a stream."""
    for each in chain(exception):
        response = _read(each, "response")
        found = [_read(each, name) for name in ("status_code", "code", "status")]
        for value in (*found, _read(response, "status_code"), _in_botocore(response)):
            if isinstance(value, int) and 400 <= value < 600:  # noqa: PLR2004  (the range of HTTP errors)
                return int(value)  # it may be a member of an enumeration
    return None


def _in_botocore(response: object) -> object:
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None


def _read(holder: object, name: str) -> Any:
    with suppress(Exception):  # a property may raise
        return getattr(holder, name, None)
    return None


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  (the model edge: a library's __str__ may raise as well)
        return type(value).__name__


_WAIT = re.compile(
    r"(?:(?:retry|try again) in |retry[ _-]?(?:delay|after)(?:_seconds)?['\": ]+)"
    r"(?:(?P<h>\d+) ?h)?(?:(?P<m>\d+) ?m(?!s|il))?(?:(?P<s>\d+(?:\.\d+)?) ?(?P<ms>m)?)?",
    re.IGNORECASE,
)


def retry_after(exception: BaseException) -> float | None:
    """Return the seconds a server asked to wait: retry-after-ms, Retry-After as seconds or date, or in its words."""
    headers = {name: value for each in chain(exception) for name, value in _headers(each).items()}
    waits = (
        _seconds(headers.get("retry-after-ms"), 0.001),
        _seconds(headers.get("retry-after")),
        _until(headers.get("retry-after")),
        _in_words(said(exception)),
    )
    return next((wait for wait in waits if wait is not None), None)


def _headers(exception: BaseException) -> dict[str, str]:
    headers = _read(_read(exception, "response"), "headers") or _read(exception, "headers")
    return {_text(k).lower(): _text(v) for k, v in headers.items()} if isinstance(headers, Mapping) else {}


def _seconds(value: str | None, unit: float = 1.0) -> float | None:
    """Return a waiting time, None for what is none: words, less than nothing, for ever."""
    try:
        seconds = float(value or "") * unit
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _until(date: str | None) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date or "").timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _in_words(text: str) -> float | None:
    found = _WAIT.search(text)
    if found is None or not any(found.groupdict().values()):
        return None
    hours, minutes, seconds = (float(found[name] or 0) for name in "hms")
    return hours * 3600 + minutes * 60 + seconds * (0.001 if found["ms"] else 1)
