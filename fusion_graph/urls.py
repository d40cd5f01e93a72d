"""Canonical URLs, hosts and domain rules, parsed as browsers do (https://url.spec.whatwg.org).

A domain rule is a host, with its sub-domains, and optionally a path: `arxiv.org`, `arxiv.org/abs/2602.11685`.
"""

import functools
import ipaddress
import posixpath
import re
from collections.abc import Iterator, Sequence
from urllib.parse import parse_qsl, unquote

from ada_url import URL

from fusion_graph.errors import SettingsError

MAX_URL_CHARS = 4096
_SHOWN_CHARS = 200  # of a URL, in messages
_TRACKING = re.compile(
    r"(?i)(utm_.*|gclid|dclid|gbraid|wbraid|fbclid|msclkid|yclid|twclid|igshid|mc_[ce]id|_ga|_gl|_hsenc|_hsmi|ref_src|ref_url)$"
)
_UNRESERVED = re.compile(r"(?i)%(?:2d|2e|5f|7e|3[0-9]|[46][1-9a-f]|[57][0-9a])")  # RFC 3986, 6.2.2.2
_ARXIV_PAPER = re.compile(
    r"(?i)/(?:abs|pdf|html|format|e-print|src|ps)/((?:[a-z.-]+/\d{7}|\d{4}\.\d{4,5}))(?:v\d+)?(?:\.pdf)?/*$"
)
_SCHEME = re.compile(r"(?i)https?:")
_PARAMETERS = re.compile(r";[^/]*")  # of a segment of a path, which many servers leave out (RFC 3986, 3.3)
_MAX_VIEWS = 64  # URLs inside one URL; a chain of mirrors is two or three long
_DECODINGS = 4  # times a path is decoded; more layers than this are no server's custom


def _services(*before: str, address: str) -> re.Pattern[str]:
    """Return what matches "host/path?name=value" of services that show or lead to the address in the first group."""
    return re.compile(rf"(?is)(?:[^/]*\.)?(?:{'|'.join(before)})({address})")


_ADDRESS_IN_PATH = _services(
    r"archive\.org/+(?:web|save)/+(?:[\d*]+[a-z_]*/+)?",
    r"archive\.(?:ph|is|today|li|md|vn|fo)/+(?:(?:newest|oldest|timegate|\d{4}[\d.-]*|o/+\w+)/+)?",
    r"r\.jina\.ai/+",
    r"cdn\.ampproject\.org/+(?:[a-z]{1,2}/+)+",
    r"google\.[a-z]+(?:\.[a-z]+)?/+amp/+(?:s/+)?",
    address=".+",
)
_ADDRESS_IN_QUERY = _services(
    r"archive\.[a-z]+/+(?:submit/*)?\?url=",
    r"google\.[a-z]+(?:\.[a-z]+)?/+(?:url|translate|website)/*\?\w+=",
    r"duckduckgo\.com/+l/*\?\w+=",
    r"webcache\.googleusercontent\.com/+search/*\?q=cache:(?:[\w-]+:)?",
    address=r"[^\s+]+",
)
_TRANSLATED_HOST = re.compile(r"([^.]+)\.translate\.goog$")
_SAME_SITE = {"hf.co": "huggingface.co", "hf-mirror.com": "huggingface.co"}


def parse_url(url: str, base: str | None = None) -> URL | None:
    """Return the parsed URL, relative to `base` if given, or None if it is none or longer than `MAX_URL_CHARS`."""
    parsed = _parsed(url, base) if len(url) <= MAX_URL_CHARS else None
    return parsed if parsed is not None and len(parsed.href) <= MAX_URL_CHARS else None


def is_web(url: URL | None) -> bool:
    """Say whether the URL is one of the web: http or https."""
    return url is not None and url.protocol in {"http:", "https:"}


def host_of(url: str) -> str:
    """Return the lower-case host of a web URL without port and trailing dot, or "" if it has none."""
    parsed = parse_url(url)
    return _host(parsed) if parsed is not None else ""


def is_loopback(host: str) -> bool:
    """Say whether a host, a name or an address, is this machine and nobody else's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def canonical_url(url: str) -> str:
    """Return the key under which two spellings of one address are the same source; not an address to open.

    http is https, `www.` is dropped, and so are fragments, tracking parameters and the version of an arXiv paper.
    """
    parsed = parse_url(url)
    if parsed is None:
        return url.strip()
    if not is_web(parsed):
        return parsed.href.removesuffix(parsed.hash)
    host, paper = _without_www(_host(parsed)), _ARXIV_PAPER.match(parsed.pathname)
    if paper and _within(host, "arxiv.org"):
        return f"https://arxiv.org/abs/{paper[1]}"
    port = f":{parsed.port}" if parsed.port else ""
    path = _UNRESERVED.sub(lambda escape: unquote(escape[0]), parsed.pathname)
    return f"https://{host}{port}{path}{_query(parsed.search)}"


def shown(url: str) -> str:
    """Return the URL as messages show it: cut when it is long."""
    return url if len(url) <= _SHOWN_CHARS else f"{url[:_SHOWN_CHARS]}…"


def parse_rule(text: str, *, field: str = "domain rule") -> str:
    """Return a domain rule in its normal form, `host` or `host/path`; an http(s) scheme or a leading `*.` may be given.

    Raises:
        SettingsError: it is not a host with an optional path; `field` names the setting in the message.
    """
    rest = re.sub(r"(?i)^https?://", "", text.strip()).removeprefix("*.").lstrip(".")
    parsed = parse_url(f"https://{rest}")
    odd = rest.startswith(("/", "\\")) or any(mark in rest for mark in ("*", "?", "#", "@", "://", " "))
    if parsed is None or odd or parsed.port or not _host(parsed):
        allowed = "a host with its sub-domains, optionally with a path: 'example.com' or 'arxiv.org/abs/2602.11685'"
        raise SettingsError(f"{field}: {text!r} is not a domain rule", field=field, value=text, hint=f"give {allowed}")
    return _host(parsed) + parsed.pathname.rstrip("/")


def matches(rule: str, url: str) -> bool:
    """Say whether `url`, or a URL that it wraps (mirrors, proxies, redirectors), falls under the domain rule."""
    parsed = parse_url(url)
    views = _views(parsed) if parsed is not None else []
    return len(views) > _MAX_VIEWS or any(_covers(rule, view) for view in views)


def refusal_reason(url: str, *, allowed: Sequence[str] = (), excluded: Sequence[str] = ()) -> str | None:
    """Return None if the domain rules let `url` through, else the reason, naming the rule.

    An excluded rule bites on the address and on every address inside it, however encoded. With `allowed` rules the
    address itself must be under one of them in every reading of its path.
    """
    parsed = parse_url(url)
    if parsed is None:
        return f"{shown(url)!r} is not a full URL of at most {MAX_URL_CHARS} characters"
    views = _views(parsed) if excluded else []
    if len(views) > _MAX_VIEWS:
        return f"{shown(url)} contains too many other URLs to check"
    for rule in excluded:
        if any(_covers(rule, view) for view in views):
            return f"{shown(url)} is excluded by the domain rule {rule!r}"
    if allowed and not any(_covers(rule, parsed, every_reading=True) for rule in allowed):
        return f"{shown(url)} is not under the allowed domains: {', '.join(allowed)}"
    return None


def _parsed(url: str, base: str | None = None) -> URL | None:
    try:
        parsed = URL(url.strip(), base)
    except ValueError:
        return None
    # The standard lets hosts like "1.." pass, which become others once their dots are trimmed; no name server knows them.
    labels = parsed.hostname.removesuffix(".").split(".")
    return None if is_web(parsed) and not all(labels) else parsed


def _host(url: URL) -> str:
    return url.hostname.removesuffix(".") if is_web(url) else ""


def _without_www(host: str) -> str:
    bare = host.removeprefix("www.")
    return bare if "." in bare else host


def _query(search: str) -> str:
    kept = [pair for pair in search.removeprefix("?").split("&") if pair and not _TRACKING.match(pair.split("=")[0])]
    return "?" + "&".join(kept) if kept else ""


def _within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _covers(rule: str, url: URL, *, every_reading: bool = False) -> bool:
    domain, path = _split_rule(rule)
    host = _host(url)
    # `www.example.com` names the site, not its host of that name: `example.com` is meant as well.
    if not host or not (_within(host, domain) or host == _without_www(domain)):
        return False
    if not path:
        return True
    readings = (_under(path, reading, host) for reading in _readings(url.pathname))
    return all(readings) if every_reading else any(readings)


@functools.lru_cache(maxsize=1024)
def _split_rule(rule: str) -> tuple[str, str]:
    domain, _, path = parse_rule(rule).partition("/")
    return domain, _readings(f"/{path}")[-1] if path else ""


def _readings(path: str) -> list[str]:
    """Return the path as servers may read it: decoded once, twice, ..., with and without parameters; case folded."""
    decoded = [reading.replace("\\", "/") for reading in _decoded(unquote(path))]
    readings = [*decoded, *(_PARAMETERS.sub("", reading) for reading in decoded)]
    return [re.sub(r"^//+", "/", posixpath.normpath(reading)).casefold() for reading in readings]


def _under(prefix: str, path: str, host: str) -> bool:
    if path == prefix or path.startswith((f"{prefix}/", f"{prefix};")):
        return True
    paper, here = _ARXIV_PAPER.match(prefix), _ARXIV_PAPER.match(path)
    return bool(_within(host, "arxiv.org") and paper and here and paper[1] == here[1])


def _views(url: URL) -> list[URL]:
    """Return the URL and, breadth first, the URLs inside it; more than `_MAX_VIEWS` means there may be others."""
    views, seen = [url], {url.href}
    for view in views:  # grows while it is walked
        for inner in map(_parsed, _wrapped(view)):  # its text may be longer than the URL that it came in
            if inner is not None and inner.href not in seen:
                seen.add(inner.href)
                views.append(inner)
            if len(views) > _MAX_VIEWS:
                return views
    return views


def _wrapped(url: URL) -> Iterator[str]:
    if not is_web(url):
        return
    host = _host(url)
    for alias, site in _SAME_SITE.items():
        if _within(host, alias):
            yield f"https://{host.removesuffix(alias)}{site}{url.pathname}"
    if translated := _TRANSLATED_HOST.match(host):
        yield f"https://{_translated(translated[1], url.search)}{url.pathname}{url.search}"
    for path in _decoded(url.pathname):
        yield from (address + url.search for address in _addresses(path, host, _ADDRESS_IN_PATH))
    for pair in url.search.removeprefix("?").split("&"):
        for text in _decoded(pair):
            yield from _addresses(text, f"{host}{unquote(url.pathname)}?", _ADDRESS_IN_QUERY)


def _addresses(text: str, before: str, services: re.Pattern[str]) -> Iterator[str]:
    """Yield what begins like a URL anywhere in `text`, and the address in it if `before + text` is a service's."""
    yield from (text[mark.start() :] for mark in _SCHEME.finditer(text))
    if service := services.match(before + text):
        address = service[1].rstrip("*")  # archives take patterns, too
        yield address if _SCHEME.match(address) else f"https://{address}"


def _decoded(text: str) -> Iterator[str]:
    yield text
    for _ in range(_DECODINGS):
        if (again := unquote(text)) == text:
            return
        yield (text := again)


def _translated(label: str, search: str) -> str:
    """Return the host that translate.goog writes as one label, by Google's "Ad networks and translation".

    `a--b-com` is a-b.com. A label too long begins in `_x_tr_hp`; `_x_tr_enc` says what a first `1-` or `0-` means.
    """
    asked = dict(reversed(parse_qsl(search.removeprefix("?"))))  # ada's own raises on bytes that are no UTF-8
    label, encodings = asked.get("_x_tr_hp", "") + label, asked.get("_x_tr_enc", "").split(",")
    if "1" in encodings:
        label = label.removeprefix("1-")
    punycode = "0" in encodings and label.startswith("0-")
    host = re.sub(r"\b-\b", ".", label.removeprefix("0-") if punycode else label).replace("--", "-")
    return f"xn--{host}" if punycode else host
