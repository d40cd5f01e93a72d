"""One GET of a public page: guarded at every hop, pinned to the checked address, bounded in time and size."""

import asyncio
import functools
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusion_graph.tools.content import PDF
from fusion_graph.tools.failures import refused
from fusion_graph.tools.network import Endpoint, Resolver, Target, addresses_of, lookup, parse_target
from fusion_graph.urls import parse_url, shown

if TYPE_CHECKING:
    import httpx

_MAX_ADDRESSES = 3  # of one host that are tried
_SMALL = 2**20  # bytes that may be packed as tightly as they like
_GZIP = 31  # zlib's window bits for a gzip stream


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
    """The body of a page, the URL it came from in the end, and what the server says it is."""

    url: str
    content_type: str
    body: bytes


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
            raise refused(
                f"{shown(url)} could not be read: {str(error) or type(error).__name__}. Try another one."
            ) from error

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
                    f"{shown(target.url)} sends over {self.limits.header_bytes:,} bytes of headers. Try another."
                )
            if reply.has_redirect_location:
                return _redirected(target, reply.headers["location"])
            if not reply.is_success:
                raise refused(f"{shown(target.url)} answered with HTTP status {reply.status_code}. Try another one.")
            return Download(target.url, reply.headers.get("content-type", ""), await _body(reply, self.limits))


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


def _redirected(target: Target, location: str) -> str:
    url = parse_url(location, base=target.url)
    if url is None:
        raise refused(f"{shown(target.url)} redirects to {shown(location)!r}, which is no URL. Use another source.")
    return url.href


async def _body(reply: "httpx.Response", limits: Limits) -> bytes:
    kind = reply.headers.get("content-type", "no stated type")
    unpack = _unpacker(reply.headers.get("content-encoding", ""))
    body, wire, most, most_wire = bytearray(), 0, limits.decoded_bytes, limits.wire_bytes
    async for chunk in reply.aiter_raw():
        wire += len(chunk)
        body += unpack(chunk, most - len(body) + 1)
        if body.startswith(PDF):
            most = most_wire = limits.pdf_bytes
        if wire > most_wire or len(body) > most:
            told = f"{most_wire:,} bytes, or {most:,} unpacked"
            raise refused(f"The document ({kind}) is too large to read: over {told}. Use another source.")
        if len(body) > max(_SMALL, wire * limits.ratio):
            raise refused(f"The document ({kind}) unpacks to over {limits.ratio} times its size. Use another source.")
    return bytes(body)


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Return what turns a chunk of the answer into at most so many bytes of the document."""
    if encoding.strip().lower() in {"", "identity"}:
        return lambda chunk, _most: chunk
    if encoding.strip().lower() not in {"gzip", "x-gzip"}:
        raise refused(f"The page is sent in the encoding {encoding!r}, which was not asked for. Use another source.")
    stream = zlib.decompressobj(_GZIP)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return b"" if stream.eof else stream.decompress(chunk, most)
        except zlib.error as error:
            raise refused("The server's compressed answer is damaged. Use another source.") from error

    return unpack
