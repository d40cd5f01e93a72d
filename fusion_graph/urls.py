"""Canonical URLs, hosts and domain rules, parsed as browsers do (https://url.spec.whatwg.org).

A domain rule is a host, with its sub-domains, and optionally a path: `arxiv.org`, `arxiv.org/abs/2602.11685`.
"""

import functools
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
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
_SCHEME = re.compile(r"(?i)https?:/+")
_MAX_VIEWS = 64  # URLs inside one URL; a chain of mirrors is two or three long
_DECODINGS = 4  # times a path is decoded; more layers than this are no server's custom

# Services that show, or send the reader to, the page whose URL their own contains; matched on "host/path".
_WRAPPED_PATH = re.compile(
    r"(?:^|\.)archive\.org/(?:web|save)/(?:[\d*]+[a-z_]*/)?(?P<wayback>.+)"
    r"|^archive\.(?:ph|is|today|li|md|vn|fo)/(?:(?:newest|oldest|timegate|[\d.-]+|o/\w+)/)?(?P<today>.+\..+)"
    r"|^r\.jina\.ai/(?P<jina>.+)"
    r"|(?:^|\.)cdn\.ampproject\.org/(?:[a-z]{1,2}/)+(?P<amp>.+)"
    r"|(?:^|\.)google\.[a-z.]+/amp/(?:s/)?(?P<google_amp>.+)"
)
_REDIRECTOR = re.compile(r"(?:^|\.)(?:google\.[a-z.]+/url|duckduckgo\.com/l/?|translate\.google\.[a-z.]+/translate)$")
_TRANSLATED_HOST = re.compile(r"([a-z0-9-]+)\.translate\.goog$")
_SAME_SITE = {"hf.co": "huggingface.co", "hf-mirror.com": "huggingface.co"}


def parse_url(url: str, base: str | None = None) -> URL | None:
    """Return the parsed URL, relative to `base` if given, or None if it is none or longer than `MAX_URL_CHARS`."""
    if len(url) > MAX_URL_CHARS:
        return None
    try:
        parsed = URL(url.strip(), base)
    except ValueError:
        return None
    # The standard lets hosts like "1.." pass, which become others once their dots are trimmed; no name server knows them.
    labels = parsed.hostname.removesuffix(".").split(".")
    return None if is_web(parsed) and not all(labels) else parsed


def is_web(url: URL | None) -> bool:
    """Say whether the URL is one of the web: http or https."""
    return url is not None and url.protocol in {"http:", "https:"}


def host_of(url: str) -> str:
    """Return the lower-case host of a web URL without port and trailing dot, or "" if it has none."""
    parsed = parse_url(url)
    return _host(parsed) if parsed is not None else ""


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
    """Return the path as a server may read it that decodes it once, twice, ...; `..` resolved, case folded."""
    decoded = [unquote(path)]
    while len(decoded) < _DECODINGS and unquote(decoded[-1]) != decoded[-1]:
        decoded.append(unquote(decoded[-1]))
    return [re.sub(r"^//+", "/", posixpath.normpath(reading.replace("\\", "/"))).casefold() for reading in decoded]


def _under(prefix: str, path: str, host: str) -> bool:
    if path == prefix or path.startswith(f"{prefix}/"):
        return True
    paper, here = _ARXIV_PAPER.match(prefix), _ARXIV_PAPER.match(path)
    return bool(_within(host, "arxiv.org") and paper and here and paper[1] == here[1])


def _views(url: URL) -> list[URL]:
    """Return the URL and, breadth first, the URLs inside it; more than `_MAX_VIEWS` means there may be others."""
    views, seen = [url], {url.href}
    for view in views:  # grows while it is walked
        for inner in (parse_url(text) for text in _wrapped(view)):
            if inner is not None and inner.href not in seen:
                seen.add(inner.href)
                views.append(inner)
        if len(views) > _MAX_VIEWS:
            break
    return views


def _wrapped(url: URL) -> Iterator[str]:
    if not is_web(url):
        return
    host = _host(url)
    if host in _SAME_SITE:
        yield f"https://{_SAME_SITE[host]}{url.pathname}"
    if translated := _TRANSLATED_HOST.match(host):
        yield f"https://{_dotted(translated[1])}{url.pathname}{url.search}"
    for path in _decoded(url.pathname):
        yield from (path[mark.start() :] + url.search for mark in _SCHEME.finditer(path))
        if wrapped := _WRAPPED_PATH.search(host + path):
            yield f"https://{wrapped[wrapped.lastgroup or 0]}{url.search}"
    yield from _wrapped_in_query(url, redirects=_REDIRECTOR.search(host + url.pathname) is not None)


def _wrapped_in_query(url: URL, *, redirects: bool) -> Iterator[str]:
    for _, value in parse_qsl(url.search.removeprefix("?")):  # ada's own raises on bytes that are no UTF-8
        for text in _decoded(value):
            if _SCHEME.match(text):
                yield text
            elif redirects:
                yield f"https://{text.lstrip('/')}"


def _decoded(text: str) -> Iterable[str]:
    yield text
    for _ in range(_DECODINGS):
        if (again := unquote(text)) == text:
            return
        yield (text := again)


def _dotted(label: str) -> str:
    """Return the host that translate.goog writes as one label: `a--b-com` is a-b.com."""
    return ".".join(part.replace("\0", "-") for part in label.replace("--", "\0").split("-"))
