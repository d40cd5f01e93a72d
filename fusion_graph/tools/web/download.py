"""One GET of a public page: guarded at every hop, pinned to the checked address, bounded in time and size."""

import asyncio
import functools
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusion_graph.tools.failures import excerpt, refused
from fusion_graph.tools.web.content import PDF
from fusion_graph.tools.web.network import Endpoint, Resolver, Target, addresses_of, lookup, parse_target
from fusion_graph.urls import parse_url, shown

if TYPE_CHECKING:
    import httpx

_MAX_ADDRESSES = 3  # of one host that are tried
_SMALL = 2**20  # bytes that may be packed as tightly as they like
_GZIP = 31  # zlib's window bits for a gzip stream
_DAMAGED = "The server's compressed answer is damaged, or not all of it came. Use another source."
_MAX_TYPE = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the web one call may cost: seconds, bytes, hops, and characters given to the model at a time."""

    connect_seconds: float = 5.0
    total_seconds: float = 20.0
    wire_bytes: int = 5 * 2**20
    decoded_bytes: int = 10 * 2**20
    header_bytes: int = 64 * 2**10
    pdf_bytes: int = 20 * 2**20
    ratio: int = 100  # of unpacked to sent bytes
    redirects: int = 5
    page_chars: int = 20_000


@dataclass(frozen=True, slots=True)
class Download:
    """The body of a page, the URL it came from in the end, and what the server says it is; `links` is its `Link:`."""

    url: str
    content_type: str
    body: bytes
    links: str = ""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Gets pages. Holds no connection, cookie or cache: every hop is a client of its own, in whatever loop runs.

    A pool would be keyed by address here, and could send one host's request over another host's TLS connection.
    """

    limits: Limits = Limits()
    resolve: Resolver = lookup
    opened: frozenset[Endpoint] = frozenset()

    async def get(self, url: str, check: Callable[[str], None]) -> Download:
        """Return the page at `url`; `check` sees every URL before it is connected to and raises to refuse it.

        Raises:
            ToolException: it is refused, not there, too large or too slow.
        """
        await asyncio.to_thread(_tls)  # imports httpx and reads certificates: not in the event loop
        import httpx  # noqa: PLC0415 - a third of a second, and many runs fetch nothing

        try:
            async with asyncio.timeout(self.limits.total_seconds):
                return await self._follow(url, check)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise refused(
                f"{shown(url)} did not answer in time (at most {self.limits.total_seconds:g} s). Try another one."
            ) from error
        except (httpx.TransportError, httpx.InvalidURL, OSError) as error:
            raise refused(f"{shown(url)} could not be read: {_told(error)}. Try another one.") from error

    async def _follow(self, url: str, check: Callable[[str], None]) -> Download:
        hop = url
        for _ in range(self.limits.redirects + 1):
            check(hop)
            target = parse_target(hop, self.opened)
            answer = await self._ask(target, await addresses_of(target, self.resolve, self.opened))
            if isinstance(answer, Download):
                return answer
            hop = answer
        raise refused(f"{shown(url)} redirects more than {self.limits.redirects} times. Use another source.")

    async def _ask(self, target: Target, addresses: list[str]) -> Download | str:
        """Return the page, or the URL it redirects to, from the first address that can be connected to."""
        import httpx  # noqa: PLC0415

        *others, last = addresses[:_MAX_ADDRESSES]
        for address in others:
            try:
                return await self._ask_address(target, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await self._ask_address(target, last)

    async def _ask_address(self, target: Target, address: str) -> Download | str:
        import httpx  # noqa: PLC0415

        timeout = httpx.Timeout(self.limits.total_seconds, connect=self.limits.connect_seconds)
        async with (
            httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=timeout) as client,
            client.stream("GET", _pinned(target, address), headers=_headers(target), extensions=_sni(target)) as reply,
        ):
            if sum(len(name) + len(value) for name, value in reply.headers.raw) > self.limits.header_bytes:
                raise refused(
                    f"{excerpt(target.url)} sends over {self.limits.header_bytes:,} bytes of headers. Try another."
                )
            if reply.has_redirect_location:
                return _redirected(target, reply.headers["location"])
            if not reply.is_success:
                raise refused(f"{excerpt(target.url)} answered with HTTP status {reply.status_code}. Try another one.")
            body = await _body(reply, self.limits)
            return Download(target.url, _type(reply), body, reply.headers.get("link", ""))


@functools.cache
def _tls() -> ssl.SSLContext:
    import httpx  # noqa: PLC0415

    return httpx.create_ssl_context(trust_env=False)


def _pinned(target: Target, address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{target.scheme}://{host}:{target.port}{target.path}"


def _headers(target: Target) -> dict[str, str]:
    return {
        "Host": target.authority,
        "User-Agent": "Mozilla/5.0 (compatible; fusion-graph)",
        "Accept": "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,*/*;q=0.5",
        "Accept-Encoding": "gzip",  # the one whose output zlib lets us bound
        "Connection": "close",
    }


def _sni(target: Target) -> dict[str, str]:
    """Return the extension that makes TLS ask for, and verify, the host's name instead of the pinned address."""
    return {"sni_hostname": target.host} if target.named else {}


def _told(error: Exception) -> str:
    """Return what an error says; of the server's own words, which those of the protocol repeat, only the first."""
    import httpx  # noqa: PLC0415

    told = str(error) or type(error).__name__
    return excerpt(told) if isinstance(error, httpx.RemoteProtocolError) else told


def _redirected(target: Target, location: str) -> str:
    url = parse_url(location, base=target.url)
    if url is None:
        told = f"{excerpt(target.url)} redirects to {excerpt(location)!r}, which is no URL"
        raise refused(f"{told}. Use another source.")
    return url.href


def _type(reply: "httpx.Response") -> str:
    """Return the document's type as the server states it: no longer than types are, for it is shown when refused."""
    kind, parameters, rest = reply.headers.get("content-type", "")[:_MAX_TYPE].partition(";")
    return f"{excerpt(kind)}{parameters}{rest}"


async def _body(reply: "httpx.Response", limits: Limits) -> bytes:
    kind = _type(reply).partition(";")[0] or "no stated type"
    unpacker = _Unpacker(reply.headers.get("content-encoding", ""))
    body, wire, most, most_wire = bytearray(), 0, limits.decoded_bytes, limits.wire_bytes
    async for chunk in reply.aiter_raw():
        wire += len(chunk)
        body += unpacker.unpack(chunk, most - len(body) + 1)
        if body.startswith(PDF):
            most = most_wire = limits.pdf_bytes
        if wire > most_wire or len(body) > most:
            told = f"{most_wire:,} bytes, or {most:,} unpacked"
            raise refused(f"The document ({kind}) is too large to read: over {told}. Use another source.")
        if len(body) > max(_SMALL, wire * limits.ratio):
            raise refused(f"The document ({kind}) unpacks to over {limits.ratio} times its size. Use another source.")
    if wire and not unpacker.is_whole:
        raise refused(_DAMAGED)
    return bytes(body)


class _Unpacker:
    """Turns the chunks of an answer into the document. As in browsers, what follows the end of gzip's form is nothing."""

    def __init__(self, encoding: str) -> None:
        said = encoding.strip().lower()
        is_plain = said in {"", "identity"}
        if not is_plain and said not in {"gzip", "x-gzip"}:
            told = f"The page is sent in the encoding {excerpt(encoding)!r}, which was not asked for"
            raise refused(f"{told}. Use another source.")
        self._stream = None if is_plain else zlib.decompressobj(_GZIP)

    @property
    def is_whole(self) -> bool:
        """Whether the packed form has come to its end; of others only the protocol knows."""
        return self._stream is None or self._stream.eof

    def unpack(self, chunk: bytes, most: int) -> bytes:
        """Return what a chunk holds of the document, at most so many bytes if it is packed."""
        if self._stream is None:
            return chunk
        try:
            return b"" if self._stream.eof else self._stream.decompress(chunk, most)
        except zlib.error as error:
            raise refused(_DAMAGED) from error
