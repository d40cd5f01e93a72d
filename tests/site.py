"""A web site on the loopback, over TCP or TLS: paths, what each answers with, and the requests that came."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Page: TypeAlias = Callable[["Site", asyncio.StreamWriter], Awaitable[None]]

HTML = "text/html; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
_CHUNK = 10_000


class Site:
    """What the server knows. `{port}` in a header stands for its port; `sent` counts the bytes of endless answers."""

    def __init__(self, pages: Mapping[str, Page], tls: ssl.SSLContext | None = None) -> None:
        self.pages = dict(pages)
        self.tls = tls
        self.port = 0
        self.sent = 0
        self.requests: list[str] = []
        self.server_names: list[str | None] = []
        self._busy: set[asyncio.Task[Any]] = set()

    @property
    def paths(self) -> list[str]:
        """The targets that were asked for, in order."""
        return [request.split(" ")[1] for request in self.requests]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def fill(self, text: str) -> str:
        return text.replace("{port}", str(self.port))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Site"]:
        if self.tls:
            self.tls.sni_callback = self._note_name
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, limit=2**17)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._busy:
                task.cancel()
            await asyncio.gather(*self._busy)
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.requests.append(request)
            await self.pages.get(request.split(" ")[1], answer("nobody home", status="404 Not Found"))(self, writer)
        writer.close()
        with suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        writer.transport.abort()
        self._busy.discard(task)

    def _note_name(self, _socket: object, name: str | None, _context: object) -> None:
        self.server_names.append(name)


def raw(*parts: bytes) -> Page:
    """Return what sends these bytes and closes."""

    async def write(_site: Site, writer: asyncio.StreamWriter) -> None:
        writer.write(b"".join(parts))
        await writer.drain()

    return write


def answer(body: bytes | str, content_type: str = HTML, status: str = "200 OK", **headers: str) -> Page:
    """Return what answers with a body; `_` in a header's name stands for `-`, and an empty type for none."""
    sent = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {content_type}"] if content_type else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def write(site: Site, writer: asyncio.StreamWriter) -> None:
        length = (
            [] if "Content_Length" in headers or "Transfer_Encoding" in headers else [f"Content-Length: {len(sent)}"]
        )
        writer.write(site.fill("\r\n".join([*lines, *length, "", ""])).encode() + sent)
        await writer.drain()

    return write


def redirect(location: str, status: str = "302 Found", **headers: str) -> Page:
    return answer("moved", status=status, Location=location, **headers)


def packed(data: bytes, encoding: str = "gzip", content_type: str = TEXT) -> Page:
    return answer(data, content_type, Content_Encoding=encoding)


def headed(*lines: str, body: str = "") -> Page:
    """Return what answers with a head written by hand."""
    return raw("\r\n".join(lines).encode() + b"\r\n\r\n", body.encode())


def chunked(*chunks: bytes, content_type: str = HTML, end: bytes = b"0\r\n\r\n") -> Page:
    """Return what answers in chunks, written as they are given: size, line end, data, line end."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    return raw(head.encode(), *chunks, end)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def endless(head: bytes, piece: bytes, pause: float = 0, most: int = 100_000_000) -> Page:
    """Return what sends `head` and then `piece` again and again, until it is hung up on."""

    async def write(site: Site, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        many = piece if pause else piece * max(1, _CHUNK // len(piece))
        while site.sent < most:
            writer.write(many)
            site.sent += len(many)
            await writer.drain()
            await asyncio.sleep(pause)

    return write


def late(page: Page, seconds: float) -> Page:
    """Return what answers like `page`, after a while."""

    async def write(site: Site, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await page(site, writer)

    return write


async def silent(_site: Site, _writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of its own, made when it is first needed."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def client(self) -> ssl.SSLContext:
        """Return what trusts this authority alone."""
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """Return what proves to be one of these hosts; for negative `days`, with a certificate that is over."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(names, key, days=days, issuer=self.certificate.subject, by=self.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as folder:
            chain = Path(folder) / "chain.pem"
            chain.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
                + certificate.public_bytes(serialization.Encoding.PEM)
            )
            context.load_cert_chain(chain)
        return context


@cache
def authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, _certificate((name,), key, days=2, issuer=_name(name), by=key, is_authority=True))


def proof_of(*names: str, by: str = "trusted", days: int = 1) -> Callable[[], ssl.SSLContext]:
    """Return what makes the proof of an authority that a server is one of these hosts."""
    return lambda: authority(by).server(*names, days=days)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    names: tuple[str, ...],
    key: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    is_authority: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(names[0]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=10))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(list(map(_alternative, names))), critical=False)
    )
    return builder.sign(by, hashes.SHA256())


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
