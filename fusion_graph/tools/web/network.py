"""Who may be connected to: public hosts, on the ports of the web, decided on addresses and not on names."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from fusion_graph.errors import SettingsError
from fusion_graph.tools.failures import excerpt, refused
from fusion_graph.urls import MAX_URL_CHARS, host_of, is_web, parse_url, shown

Endpoint: TypeAlias = tuple[str, int]
Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

ALLOW_VARIABLE = "FUSION_FETCH_ALLOW"
_PORTS = {80, 443, 8080, 8443}
_DEFAULT_PORT = {"http": 80, "https": 443}

# Global by the registries of IANA (or unknown to this Python's ipaddress), yet not a place of the public web.
_NOT_PUBLIC_V4 = [
    ipaddress.IPv4Network(net) for net in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3")
]
_PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
# The first of these holds Teredo: its relays are gone, and its addresses carry IPv4 ones.
_NOT_PUBLIC_V6 = [ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "3fff::/20")]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_ISATAP_MARKS = {0x0000_5EFE, 0x0200_5EFE}  # RFC 5214, 6.1


@dataclass(frozen=True, slots=True)
class Target:
    """One address to ask for: the URL as a browser writes it, and its parts."""

    url: str
    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @property
    def named(self) -> bool:
        """Say whether the host is a name, not an address."""
        return _literal(self.host) is None


def parse_target(url: str, opened: frozenset[Endpoint] = frozenset()) -> Target:
    """Return what to connect to for `url`; `opened` are hosts and ports allowed beyond the public web's.

    Raises:
        ToolException: the URL is not one this tool opens.
    """
    parsed = parse_url(url)
    if parsed is None or not is_web(parsed):
        raise refused(
            f"Only full http and https URLs of at most {MAX_URL_CHARS} characters can be read, not {shown(url)!r}."
        )
    if parsed.username or parsed.password:
        raise refused("A URL with a user name or password in it is not opened. Leave out what stands before the @.")
    host, scheme = host_of(url), parsed.protocol.removesuffix(":")
    port = int(parsed.port or _DEFAULT_PORT[scheme])
    if port not in _PORTS and (host, port) not in opened:
        raise refused(f"Port {port} of {excerpt(host)} is not opened: only {', '.join(map(str, sorted(_PORTS)))} are.")
    authority = f"{host}:{parsed.port}" if parsed.port else host
    return Target(parsed.href, scheme, host, port, authority, parsed.pathname + parsed.search)


async def addresses_of(target: Target, resolve: Resolver, opened: frozenset[Endpoint]) -> list[str]:
    """Return the addresses to connect to, looked up once; every one of them is public, or the host is `opened`.

    Raises:
        ToolException: the name does not resolve, or to an address that is not public.
    """
    literal = _literal(target.host)
    try:
        found = [literal] if literal else list(await resolve(target.host, target.port))
    except (OSError, UnicodeError) as error:
        raise refused(
            f"The host {excerpt(target.host)} is not known. Check the URL, or search for the page."
        ) from error
    public = all(map(is_public, found)) or (target.host, target.port) in opened
    if not found or not public:
        raise refused(f"The host {excerpt(target.host)} is not on the public internet; only public pages are read.")
    return found


async def lookup(host: str, port: int) -> list[str]:
    """Return the addresses the system's resolver has for a host name, in its order of preference."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Say whether an IP address, and each IPv4 address that it carries inside, belongs to the public internet."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return _is_public_v4(ip)
    if ip.scope_id is not None:  # a zone of this machine
        return False
    carried = _carried(ip)
    return all(map(_is_public_v4, carried)) if carried else _is_public_v6(ip)


def parse_opened(environ: Mapping[str, str]) -> frozenset[Endpoint]:
    """Return the hosts and ports of FUSION_FETCH_ALLOW, a comma-separated list of `host:port`.

    Raises:
        SettingsError: an entry is not of that form.
    """
    entries = [entry.strip() for entry in environ.get(ALLOW_VARIABLE, "").split(",")]
    return frozenset(_endpoint(entry) for entry in entries if entry)


def _endpoint(entry: str) -> Endpoint:
    host, _, port = entry.rpartition(":")
    known = host_of(f"http://{host}/")
    if not known or not (port.isascii() and port.isdigit()) or any(mark in host for mark in "/@?#"):
        raise SettingsError(
            f"{ALLOW_VARIABLE}: {entry!r} is not a host and a port",
            field=ALLOW_VARIABLE,
            value=entry,
            hint="give host:port, several separated by commas, such as 'wiki.intranet:8000,127.0.0.1:8765'",
        )
    return known, int(port)


def _literal(host: str) -> str | None:
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None


def _is_public_v4(ip: IPv4Address) -> bool:
    return ip.is_global and not any(ip in net for net in _NOT_PUBLIC_V4)


def _is_public_v6(ip: IPv6Address) -> bool:
    return ip in _PUBLIC_V6 and not any(ip in net for net in _NOT_PUBLIC_V6)


def _carried(ip: IPv6Address) -> list[IPv4Address]:
    """Return the IPv4 addresses an IPv6 address stands for: a router or the kernel would connect to them."""
    low = IPv4Address(int(ip) & 0xFFFF_FFFF)
    if ip.ipv4_mapped or ip in _NAT64 or ip in _V4_COMPATIBLE:
        return [low]
    if ip.sixtofour:
        return [ip.sixtofour]
    isatap = int(ip) >> 32 & 0xFFFF_FFFF in _ISATAP_MARKS
    return [low] if isatap and _is_public_v6(ip) else []
