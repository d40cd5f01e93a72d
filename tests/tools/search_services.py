"""Search services on the loopback: each takes its own requests and replies in its own shapes."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from fusion_graph.tools import Hit, SearchBackend
from fusion_graph.tools.search.exa import ExaSearch
from fusion_graph.tools.search.searxng import SearxngSearch
from fusion_graph.tools.search.tavily import TavilySearch

KEY = "canary-0123456789abcdefghij"


@dataclass(frozen=True)
class Asked:
    """One request: its first line, headers in lower case, parameters of the URL, JSON body."""

    method: str
    path: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What is sent back. A `cut` one announces more bytes than it sends; a `slow` one comes after seconds."""

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    slow: float = 0.0


class Service(ABC):
    """A service that finds `hits` whatever it is asked, unless there is an `answer` to give."""

    name: ClassVar[str]
    variable: ClassVar[str] = ""  # of the key; "" if it takes none
    out_of_credits: ClassVar[Sequence[int]] = ()

    def __init__(self) -> None:
        self.hits: list[Hit] = []
        self.answer: Answer | None = None
        self.requests: list[Asked] = []
        self.port = 0
        self._busy: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> Asked:
        (only,) = self.requests
        return only

    @abstractmethod
    def backend(self, *, key: str = KEY, **options: Any) -> SearchBackend:
        """Return the backend under test, pointed here."""

    @abstractmethod
    def reply(self, hits: Sequence[Hit]) -> dict[str, Any]:
        """Return the JSON of a search that found `hits`."""

    @abstractmethod
    def error(self, status: int, message: str) -> Answer:
        """Return how the service says that it fails."""

    @abstractmethod
    def check_request(self, query: str, *, most: int, allowed: Sequence[str], excluded: Sequence[str]) -> None:
        """Assert that the one request there was is the service's own form of this."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.requests.append(await _read(reader))
            answer = self.answer or Answer(json.dumps(self.reply(self.hits)))
            await asyncio.sleep(answer.slow)
            writer.write(_written(answer))
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        self._busy.discard(task)

    async def finish(self) -> None:
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    parts = urlsplit(target)
    return Asked(method, parts.path, headers, dict(parse_qsl(parts.query)), json.loads(body) if body else None)


def _written(answer: Answer) -> bytes:
    body = answer.body.encode()
    headers = {"Content-Type": "application/json", "Connection": "close", "Set-Cookie": "id=1", **answer.headers}
    length = len(body) + 100 * answer.cut
    lines = [f"HTTP/1.1 {answer.status} Said", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Exa(Service):
    name = "Exa"
    variable = "EXA_API_KEY"
    out_of_credits = (402,)

    def backend(self, *, key: str = KEY, **options: Any) -> SearchBackend:
        return ExaSearch(key, url=self.url, **options)

    def reply(self, hits: Sequence[Hit]) -> dict[str, Any]:
        return {
            "requestId": "b5947044c4b78efa9552a7c89b306d95",
            "resolvedSearchType": "neural",
            "results": [
                {
                    "id": hit.url,
                    "title": hit.title or None,
                    "url": hit.url,
                    **({"publishedDate": hit.published} if hit.published else {}),
                    "author": None,
                    "score": 0.36,
                    "highlights": [hit.snippet],
                    "highlightScores": [0.47],
                }
                for hit in hits
            ],
            "searchTime": 402.5,
            "costDollars": {"total": 0.007, "search": {"neural": 0.007}},
        }

    def error(self, status: int, message: str) -> Answer:
        said = {"requestId": "67207943fab9832d162b5317f4cca830", "error": message, "tag": "SOME_TAG"}
        return Answer(json.dumps(said), status)

    def check_request(self, query: str, *, most: int, allowed: Sequence[str], excluded: Sequence[str]) -> None:
        asked = self.asked
        assert (asked.method, asked.path) == ("POST", "/search")
        assert asked.headers["x-api-key"] == KEY
        expected = {"query": query, "numResults": most, "contents": {"highlights": {"maxCharacters": 1000}}}
        if allowed:
            expected["includeDomains"] = self._patterns(allowed)
        elif excluded:
            expected["excludeDomains"] = self._patterns(excluded)
        assert asked.body == expected

    @staticmethod
    def _patterns(rules: Sequence[str]) -> list[str]:
        return [pattern for rule in rules for pattern in ([rule] if "/" in rule else [rule, f"*.{rule}"])]


class Tavily(Service):
    name = "Tavily"
    variable = "TAVILY_API_KEY"
    out_of_credits = (432, 433)

    def backend(self, *, key: str = KEY, **options: Any) -> SearchBackend:
        return TavilySearch(key, url=self.url, **options)

    def reply(self, hits: Sequence[Hit]) -> dict[str, Any]:
        return {
            "query": "tides",
            "follow_up_questions": None,
            "answer": None,
            "images": [],
            "results": [
                {
                    "url": hit.url,
                    "title": hit.title,
                    "content": hit.snippet,
                    "score": 0.81,
                    "raw_content": None,
                    **({"published_date": hit.published} if hit.published else {}),
                }
                for hit in hits
            ],
            "response_time": 1.09,
            "request_id": "123e4567-e89b-12d3-a456-426614174111",
        }

    def error(self, status: int, message: str) -> Answer:
        return Answer(json.dumps({"detail": {"error": message}}), status)

    def check_request(self, query: str, *, most: int, allowed: Sequence[str], excluded: Sequence[str]) -> None:
        asked = self.asked
        assert (asked.method, asked.path) == ("POST", "/search")
        assert asked.headers["authorization"] == f"Bearer {KEY}"
        rules = {"include_domains": list(allowed), "exclude_domains": list(excluded)}
        expected = {"query": query, "max_results": min(most, 20)}
        assert asked.body == expected | {name: value for name, value in rules.items() if value}


class Searxng(Service):
    name = "SearXNG"

    def backend(self, *, key: str = KEY, **options: Any) -> SearchBackend:
        return SearxngSearch(f"{self.url}/", **options)

    def reply(self, hits: Sequence[Hit]) -> dict[str, Any]:
        return {
            "query": "tides",
            "number_of_results": 0,
            "results": [
                {
                    "url": hit.url,
                    "title": hit.title,
                    "content": hit.snippet,
                    "publishedDate": hit.published or None,
                    "thumbnail": None,
                    "engine": "duckduckgo",
                    "template": "default.html",
                    "parsed_url": [*urlsplit(hit.url)[:3], "", "", ""],
                    "engines": ["duckduckgo", "brave"],
                    "positions": [1, 3],
                    "score": 2.6,
                    "category": "general",
                }
                for hit in hits
            ],
            "answers": [],
            "corrections": [],
            "infoboxes": [],
            "suggestions": ["tide tables"],
            "unresponsive_engines": [],
        }

    def error(self, status: int, message: str) -> Answer:
        page = f"<!doctype html>\n<html lang=en>\n<title>{status}</title>\n<p>{message}</p>\n"
        return Answer(page, status, {"Content-Type": "text/html; charset=utf-8"})

    def check_request(self, query: str, *, most: int, allowed: Sequence[str], excluded: Sequence[str]) -> None:
        asked = self.asked
        assert (asked.method, asked.path) == ("GET", "/search")
        sites = " OR ".join(f"site:{rule}" for rule in allowed)
        without = " ".join(f"-site:{rule}" for rule in excluded)
        assert asked.parameters == {"q": " ".join(filter(None, (query, sites, without))), "format": "json"}
        assert asked.body is None
