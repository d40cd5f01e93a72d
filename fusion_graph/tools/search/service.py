"""The failures of search services that are asked over HTTP, in words for the model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fusion_graph.characters import visible
from fusion_graph.tools.failures import refused

if TYPE_CHECKING:
    import httpx

_DETAIL = 300  # characters of what a service says about a request it does not accept
_LONGEST_WAIT = 5  # digits of the seconds in Retry-After; more is no time a model could plan with
_NOT_ACCEPTED = {400, 422}
_SERVER_FAULTS = range(500, 600)
# What clients raise, and we, on a body that is not what the service documents: they look into it unchecked.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class SearchService:
    """A service in the words of its failures: its name, what its 401 and 403 mean, and the key no message may show."""

    name: str
    refusal: str
    key: str = field(default="", repr=False)

    async def check(self, response: "httpx.Response") -> None:
        """Raise a ToolException unless the status is 200: a response hook, as clients keep Retry-After to themselves."""
        if response.status_code in _NOT_ACCEPTED:
            detail = _detail(await response.aread(), self.key)
            raise refused(f"{self.name} does not accept this search: {detail} Ask in fewer or other words.")
        if response.status_code != HTTPStatus.OK:
            raise refused(f"{self.name} {_problem(response, self.refusal)}")

    @asynccontextmanager
    async def guard(self, seconds: float, *timeouts: type[Exception]) -> AsyncIterator[None]:
        """Stop what is inside after `seconds`, and tell its failures; `timeouts` are the client's own.

        Raises:
            ToolException: it failed, or took too long.
        """
        httpx = await asyncio.to_thread(import_module, "httpx")
        try:
            async with asyncio.timeout(seconds):
                yield
        except (TimeoutError, httpx.TimeoutException, *timeouts) as error:
            raise refused(f"{self.name} took over {seconds:g} s. Try again with fewer words.") from error
        except (UnicodeEncodeError, httpx.LocalProtocolError) as error:
            told = f"{self.name} cannot be asked: the query or the key has characters that cannot be sent. Use plain words."
            raise refused(told) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Its own words may name an address with a password.
            raise refused(f"{self.name} cannot be reached ({type(error).__name__}). Answer without search.") from error
        except _MALFORMED as error:
            told = f"{self.name} sent something else than results. Try again once, else answer without search."
            raise refused(told) from error


async def imported(package: str, install: str) -> Any:
    """Return the package, imported in a thread: some take seconds.

    Raises:
        ToolException: it is not installed; the sentence says how to.
    """
    try:
        return await asyncio.to_thread(import_module, package)
    except ImportError as error:
        raise refused(f"Web search is not installed on this machine: {install}. Answer without it.") from error


def _problem(response: "httpx.Response", refusal: str) -> str:
    match status := response.status_code:
        case 401 | 403:
            return f"{refusal} (HTTP {status}). Answer without search."
        case 402 | 432 | 433:
            return f"has no credits left, or its plan allows no more (HTTP {status}). Answer without search."
        case 429:
            return f"takes no more searches {_wait(response)}. Do something else first, or answer without search."
    if status in _SERVER_FAULTS:
        return f"has a fault of its own (HTTP {status}). Try again once, else answer without search."
    return f"answered with HTTP {status} instead of results. Answer without search."


def _wait(response: "httpx.Response") -> str:
    seconds = response.headers.get("retry-after", "").strip()  # may be a date, too
    return f"for {seconds} s" if seconds.isdecimal() and len(seconds) <= _LONGEST_WAIT else "for now"


def _detail(body: bytes, key: str) -> str:
    said = visible(body.decode(errors="replace"))
    return " ".join((said.replace(key, "[redacted]") if key else said).split())[:_DETAIL]
