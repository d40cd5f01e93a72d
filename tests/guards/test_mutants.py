"""Every guard of web_fetch and of the domain rules, taken out: a case that holds otherwise must fail.

To add one, add a row to `MUTANTS`: the guard (its cases are tried first), what is done to it, and the edits of the
source that do it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import pytest

from fusion_graph import characters, reading
from fusion_graph import urls as addresses
from fusion_graph.reading import document as reading_document
from fusion_graph.reading import hidden as reading_hidden
from fusion_graph.reading import html as reading_html
from fusion_graph.reading import pdf as reading_pdf
from fusion_graph.tools import domains
from fusion_graph.tools.search import tool as search
from fusion_graph.tools.web import content, download, fetch, network
from tests.guards import rules, servers, urls, wire
from tests.guards.mutation import mutated
from tests.guards.wire import failure

pytestmark = pytest.mark.timeout(60)  # a mutant that survives has the whole suite tried on it


@dataclass(frozen=True, slots=True)
class Mutant:
    """A guard taken out of a module, which cases of a suite are to notice."""

    name: str
    module: ModuleType
    suite: ModuleType
    edits: Mapping[str, str]

    @property
    def guard(self) -> str:
        return self.name.partition(":")[0]


# What is put before a definition when an edit needs a helper.
_JAR = "import http.cookiejar\n_JAR = http.cookiejar.CookieJar()\n"
_UNNAMED = "def _unnamed(hop):\n    return hop.replace('user:hunter2@', '').replace('user@', '')\n"
_UNCHECKED = """\
async def _unchecked(target, resolve, _):
    return list(await resolve(target.host, 80)) if target.named else [target.host.strip("[]")]
"""
_EXPANDED = """\
def _expanded(text):
    from xml.etree import ElementTree
    return "".join(ElementTree.fromstring(text).itertext())
"""
_ENDS = """\
def _ends(url, rule):
    from urllib.parse import urlsplit
    return (urlsplit(url).hostname or "").endswith(rule)
"""


def _taken_for_public(condition: str) -> dict[str, str]:
    """Return the edit after which IPv6 addresses of one form are public, whatever they carry."""
    return {"    low = ": f'    if {condition}:\n        return [IPv4Address("93.184.215.14")]\n    low = '}


NETWORK = {
    "every address: one good address will do": {"all(map(is_public, found))": "any(map(is_public, found))"},
    "global addresses: any IPv4 address": {"return ip.is_global and not any(": "return not any("},
    "global addresses: what Python takes for global": {"not any(ip in net for net in _NOT_PUBLIC_V4)": "True"},
    "global addresses: multicast as well": {', "224.0.0.0/3"': ""},
    "IPv6: any address": {"return ip in _PUBLIC_V6 and not": "return not"},
    "IPv6: documentation as well": {', "2001:db8::/32", "3fff::/20"': ","},
    "IPv6: with a zone as well": {"if ip.scope_id is not None:": "if False:"},
    "mapped: not decoded": _taken_for_public("ip.ipv4_mapped"),
    "compatible: not decoded": _taken_for_public("ip in _V4_COMPATIBLE"),
    "NAT64: not decoded": _taken_for_public("ip in _NAT64"),
    "local NAT64: public": _taken_for_public("ip in ipaddress.IPv6Network('64:ff9b:1::/48')"),
    "6to4: not decoded": {"return [ip.sixtofour]": "return []"},
    "Teredo: not decoded": _taken_for_public("ip.teredo"),
    "Teredo: an address like others": {'"2001::/23", ': ""},
    "ISATAP: not decoded": {"return [low] if isatap and": "return [low] if not isatap and"},
    "ISATAP: one of its two marks": {", 0x0200_5EFE": ""},
    "schemes: any": {
        "parsed is None or not is_web(parsed)": "parsed is None",
        "host, scheme = host_of(url)": "host, scheme = parsed.hostname",
        "_DEFAULT_PORT[scheme]": "80",
    },
    "ports: any": {"if port not in _PORTS and": "if not port and"},
    "ports: not 8080": {"443, 8080, 8443": "443, 8443"},
    "userinfo: let through": {"if parsed.username or parsed.password:": "if False:"},
    "userinfo: a password alone": {"if parsed.username or parsed.password:": "if parsed.username:"},
}

LENGTH = {
    "URL length: any": {" if len(url) <= MAX_URL_CHARS else None": "", " and len(parsed.href) <= MAX_URL_CHARS": ""},
    "URL length: one less": {"len(url) <= MAX_URL_CHARS": "len(url) < MAX_URL_CHARS"},
    "URL length: as it is given": {" and len(parsed.href) <= MAX_URL_CHARS": ""},
}

RESOLVER = {
    "refusals: a host at full length": {
        "The host {excerpt(target.host)} is not known": "The host {target.host} is not known"
    },
    "resolve once: asked again after the check": {"    return found\n": "    return await resolve(target.host, 80)\n"},
}

PIN = {
    "pin: the name is connected to": {"{target.scheme}://{host}:": "{target.scheme}://{target.host}:"},
}

DOWNLOAD = {
    **PIN,
    "Host: the address": {'"Host": target.authority,': ""},
    "Host: without the port": {'"Host": target.authority,': '"Host": target.host,'},
    "SNI: the address": {" if target.named else {}": " if False else {}"},
    "certificates: not verified": {"verify=_tls()": "verify=False"},
    "environment: proxies are used": {"trust_env=False, timeout": "trust_env=True, timeout"},
    "cookies: kept": {
        "trust_env=False, timeout": "cookies=_JAR, timeout",
        "_MAX_ADDRESSES =": f"{_JAR}_MAX_ADDRESSES =",
    },
    "GET only: POST": {'client.stream("GET"': 'client.stream("POST"'},
    "redirects: 50": {"range(self.limits.redirects + 1)": "range(50)"},
    "redirects: 4": {"range(self.limits.redirects + 1)": "range(self.limits.redirects)"},
    "redirects: any 3xx": {"reply.has_redirect_location": "reply.is_redirect and 'location' in reply.headers"},
    "every hop: the first address is checked": {
        "await addresses_of(target,": "await (addresses_of if hop == url else _unchecked)(target,",
        "_MAX_ADDRESSES =": f"{_UNCHECKED}_MAX_ADDRESSES =",
    },
    "every hop: the first user is checked": {
        "parse_target(hop, self.opened)": "parse_target(hop if hop == url else _unnamed(hop), self.opened)",
        "_MAX_ADDRESSES =": f"{_UNNAMED}_MAX_ADDRESSES =",
    },
    "requested URL: not checked": {"            check(hop)\n": "            hop == url or check(hop)\n"},
    "rules at hops: not checked": {"            check(hop)\n": "            hop != url or check(hop)\n"},
    "connect time: as long as there is": {"connect=self.limits.connect_seconds": "connect=None"},
    "total time: as long as something comes": {"asyncio.timeout(self.limits.total_seconds)": "asyncio.timeout(None)"},
    "wire bytes: any": {"if wire > most_wire or": "if"},
    "decoded bytes: cut off in silence": {" or len(body) > most:": ":"},
    "encodings: one that was not asked for": {'{"gzip", "x-gzip"}': '{"gzip", "x-gzip", "br"}'},
    "encodings: one that breaks off": {"if wire and not unpacker.is_whole:": "if False:"},
    "ratio: any": {"if len(body) > max(_SMALL, wire * limits.ratio):": "if False:"},
    "header bytes: any": {"> self.limits.header_bytes:": "< 0:"},
    "PDF bytes: as of others": {"most = most_wire = limits.pdf_bytes": "pass"},
    "PDF bytes: of all": {"if body.startswith(PDF):": "if True:"},
    "refusals: a type at full length": {
        'return f"{excerpt(kind)}{parameters}{rest}"': 'return f"{kind}{parameters}{rest}"',
        "[:_MAX_TYPE]": "",
    },
    "refusals: an encoding at full length": {"{excerpt(encoding)!r}": "{encoding!r}"},
    "refusals: the protocol's words": {"return excerpt(told) if": "return told if"},
    "canonical links: not those of the header": {'reply.headers.get("link", "")': '""'},
}

CHARACTERS = {
    "invisible Unicode: shown": {'_INVISIBLE.sub("", ': "str("},
    "invisible Unicode: tags are shown": {"\\U000e0000-\\U000e0fff": ""},
    "invisible Unicode: annotations are shown": {"\\ufff9-\\ufffb\\U0001d173-\\U0001d17a": ""},
}

CONTENT = {
    "content sniffing: by the type alone": {"if head.startswith(magic):": "if False:"},
    "content sniffing: zero bytes are text": {'b"\\0" in head': "False"},
    "content sniffing: HTML by the type alone": {'_HTML.match(_COMMENT.sub(b"", head)) or ': ""},
    "charsets: any codec of Python": {'if _ENCODINGS.fullmatch(name) else ""': "if name else ''"},
    "XML entities: expanded": {
        "else Document(visible(text).strip())": "else Document(_expanded(text) if kind == 'xml' else visible(text).strip())",
        "_HEAD =": f"{_EXPANDED}_HEAD =",
    },
}

HTML = {
    "hidden text: shown": {"    remove_hidden(page)\n": ""},
    "canonical links: one relation": {"link[rel~=canonical i]": "link[rel=canonical i]"},
    "canonical links: the first": {"[:_MAX_CANONICAL]": "[:1]"},
    "canonical links: not relative to the base": {"return urljoin(base, link)": "return link"},
    "text length: the whole title": {'one_line(tree.title or "", MAX_TITLE)': 'tree.title or ""'},
    "text length: the whole date": {"one_line(_published(page), MAX_DATE)": "_published(page)"},
}

DOCUMENT = {
    "text length: of several lines": {'" ".join(text.split())[:most]': "text[:most]"},
}

HIDDEN = {
    "hidden text: behind comments": {'_NOISE.sub("", css)).split()': "css).split()"},
    "hidden text: escaped": {'"".join(_unescaped(': '"".join(('},
    "hidden text: without colour": {" or _has_no_colour(said)": ""},
    "hidden text: transparent": {"_TRANSPARENT.fullmatch(colour) is not None or ": ""},
    "hidden text: white on white": {' or (colour == stated.get("background") not in _OF_OTHERS)': ""},
    "hidden text: without size": {r"|scale(?:3d|[xy])?\(0(?:\.0*)?[,)]": ""},
    "hidden text: cut off": {r"|clip-path:(?:inset\((?:100%|[5-9]\d%\))|circle\(0)": ""},
    "hidden text: by the page's own styles": {"or (_is_hidden_by_sheet(": "or (False and _is_hidden_by_sheet("},
    "hidden text: by any class of a sheet": {"places.get(spelt, 0)": "1"},
    "hidden text: by styles for paper": {'media in {"all", "screen"} and': ""},
    "hidden text: by styles without scripts": {' and not sheet.closest("noscript")': ""},
    "hidden text: by blocks of a sheet": {"() if is_nested else": ""},
    "hidden text: though shown again": {"places.update(_shown(selector, place))": "pass"},
}

FETCH = {
    "text length: all of it": {"page.text[start : start + most]": "page.text[start:]"},
    "single flight: none": {"if not self.run or parsed is None:": "if True:"},
    "single flight: of all runs": {"key = (self.run, ": "key = ("},
    "seats apart: one page for all rules": {".removesuffix(parsed.hash), rules)": ".removesuffix(parsed.hash))"},
    "paging: no mark": {"if end < total:": "if False:"},
    "paging: no way on": {"start={end}]": "start={start}]"},
    "canonical links: not checked": {"if canonical is not None:": "if False:"},
    "canonical links: not resolved": {"parse_url(link, base=page.url)": "parse_url(link)"},
}

DOMAINS = {
    "requested URL: blocked domains are forgotten": {"denied += [": "_ = ["},
}

SEARCH = {
    "search results: not checked": {"if rules.let_through(hit.url)": "if hit.url"},
}

RULES = {
    "host spellings: urlsplit's host": {
        "if any(_covers(rule, view) for view in views):": "if _ends(url, rule):",
        "_DECODINGS =": f"{_ENDS}_DECODINGS =",
    },
    "trailing dots: kept": {'return url.hostname.removesuffix(".") if': "return url.hostname if"},
    "sub-domains: anything that ends so": {'host.endswith(f".{domain}")': "host.endswith(domain)"},
    "sub-domains: not covered": {'host == domain or host.endswith(f".{domain}")': "host == domain"},
    "sub-domains: www is another site": {" or host == _without_www(domain)": ""},
    "path prefixes: not looked at": {"    if not path:\n": "    if path or not path:\n"},
    "path prefixes: within a segment": {'path.startswith((f"{prefix}/", f"{prefix};"))': "path.startswith(prefix)"},
    "path prefixes: exact": {' or path.startswith((f"{prefix}/", f"{prefix};"))': ""},
    "path parameters: kept": {", *(_PARAMETERS.sub": ", *(str() and _PARAMETERS.sub"},
    "path prefixes: dots and slashes are kept": {"posixpath.normpath(reading": "str(reading"},
    "path decoding: none": {"in _decoded(unquote(path))]": "in [path]]"},
    "path decoding: backslashes are kept": {'reading.replace("\\\\", "/")': "reading"},
    "double decoding: once": {"in _decoded(unquote(path))]": "in [unquote(path)]]"},
    "case folding: none": {".casefold()": ""},
    "arXiv versions: kept": {"(?:v\\d+)?(?:\\.pdf)?/*$": "(?:\\.pdf)?/*$"},
    "arXiv forms: pages of their own": {"and paper and here and": "and not paper and here and"},
    "arXiv forms: of any site": {
        '_within(host, "arxiv.org") and paper and here': "paper and here",
        "_within(host, domain) or": "_within(host, domain) or 'arxiv' in domain or",
    },
    "allowed: not asked": {"if allowed and not any(": "if False and not any("},
    "allowed: one reading will do": {"return all(readings) if every_reading else any(": "return any("},
    "allowed: what is wrapped counts": {
        "_covers(rule, parsed, every_reading=True) for": "any(_covers(rule, view) for view in _views(parsed)) for"
    },
    "allowed: parameters make another page": {', f"{prefix};"': ""},
    "aliases: none": {"if _within(host, alias):": "if False:"},
    "aliases: not their sub-domains": {"if _within(host, alias):": "if host == alias:"},
    "aliases: no longer than an address may be": {"map(_parsed, _wrapped(view))": "map(parse_url, _wrapped(view))"},
    "aliases: not hf.co": {'"hf.co": "huggingface.co", ': ""},
    "aliases: not hf-mirror.com": {', "hf-mirror.com": "huggingface.co"': ""},
    "web.archive.org: unknown": {"archive\\.org": "archive\\.example"},
    "web.archive.org: patterns are no addresses": {'.rstrip("*")': ""},
    "archive.ph: unknown": {"archive\\.(?:ph|": "archive\\.(?:"},
    "archive.ph: new copies": {"archive\\.[a-z]+": "archive\\.example"},
    "archive.ph: archive.is is unknown": {"|is|": "|"},
    "archive.ph: archive.today is unknown": {"|today|": "|"},
    "archive.ph: archive.li is unknown": {"|li|": "|"},
    "archive.ph: archive.md is unknown": {"|md|": "|"},
    "archive.ph: archive.vn is unknown": {"|vn|": "|"},
    "archive.ph: archive.fo is unknown": {"|fo)": ")"},
    "r.jina.ai: unknown": {"r\\.jina\\.ai": "r\\.jina\\.example"},
    "translate.goog: unknown": {"translate\\.goog$": "translate\\.example$"},
    "translate.goog: dashes are dots": {'.replace("--", "-")': ""},
    "translate.goog: a label that begins elsewhere": {'asked.get("_x_tr_hp", "") + label': "label"},
    "translate.goog: a label marked 1": {'if "1" in encodings:': "if False:"},
    "translate.goog: a label marked 0": {'"0" in encodings and': "False and"},
    "translate.google: unknown": {"|translate|website": ""},
    "translate.google: websites": {"|website": ""},
    "cdn.ampproject.org: unknown": {"cdn\\.ampproject": "cdn\\.example"},
    "google.com/amp: unknown": {"/+amp/+": "/+example/+"},
    "google.com/url: unknown": {"(?:url|": "(?:"},
    "duckduckgo: unknown": {"duckduckgo\\.com": "duckduckgo\\.example"},
    "webcache: unknown": {"webcache\\.google": "webcache\\.example"},
    "webcache: keys are hosts": {"cache:(?:[\\w-]+:)?": "cache:"},
    "webcache: what was searched for belongs to the path": {'r"[^\\s+]+"': 'r".+"'},
    "URLs in paths: not looked for": {"in _addresses(path, host, _ADDRESS_IN_PATH))": "in ())"},
    "URLs in queries: not looked for": {"yield from _addresses(text, f": "yield from () and _addresses(text, f"},
    "URLs in queries: not decoded again": {"        yield (text := again)": "        return"},
    "mirrors in mirrors: one deep": {"    for view in views:  #": "    for view in views[:1]:  #"},
    "crowds: the first 64 will do": {"if len(views) > _MAX_VIEWS:\n        return f": "if False:\n        return f"},
}


def taken_out_of(module: ModuleType, suite: ModuleType, rows: Mapping[str, Mapping[str, str]]) -> Iterator[Mutant]:
    yield from (Mutant(name, module, suite, edits) for name, edits in rows.items())


MUTANTS = [
    *taken_out_of(network, urls, NETWORK),
    *taken_out_of(network, servers, RESOLVER),
    *taken_out_of(addresses, urls, LENGTH),
    *taken_out_of(download, urls, PIN),
    *taken_out_of(download, servers, DOWNLOAD),
    *taken_out_of(characters, servers, CHARACTERS),
    *taken_out_of(content, servers, CONTENT),
    *taken_out_of(reading_html, servers, HTML),
    *taken_out_of(reading_document, servers, DOCUMENT),
    *taken_out_of(reading_hidden, servers, HIDDEN),
    *taken_out_of(fetch, servers, FETCH),
    *taken_out_of(domains, servers, DOMAINS),
    *taken_out_of(search, rules, SEARCH),
    *taken_out_of(addresses, rules, RULES),
]


@pytest.fixture(autouse=True)
def _here_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read documents in this process, where the mutants are, and wait less for what does not end."""

    def read(kind: reading.Kind, body: bytes) -> reading.Document:
        return reading_pdf.read_pdf(body) if kind == "pdf" else reading_html.read_html(body.decode())

    monkeypatch.setattr(reading, "read", read)
    monkeypatch.setattr(wire, "PATIENCE", 2.0)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.suite.__name__.split('.')[-1]}-{mutant.name}")
async def test_a_guard_that_is_taken_out_is_missed(mutant: Mutant) -> None:
    for case in sorted(mutant.suite.CASES, key=lambda case: case.guard != mutant.guard):
        with mutated(mutant.module, mutant.edits):
            missed = await failure(mutant.suite.holds(case))
        if missed and not await failure(mutant.suite.holds(case)):
            break
    else:
        pytest.fail(f"the mutant survived all cases of {mutant.suite.__name__}")

    assert isinstance(missed, AssertionError), f"this mutant is a program that fails: {missed!r}"
    assert "crashed" not in str(missed), f"this mutant is a program that fails: {missed}"


@pytest.mark.parametrize(
    "module", sorted({mutant.module for mutant in MUTANTS}, key=str), ids=lambda module: module.__name__
)
async def test_a_module_that_only_is_written_anew_is_not_missed(module: ModuleType) -> None:
    own = [mutant for mutant in MUTANTS if mutant.module is module]
    cases = [next(case for case in mutant.suite.CASES if case.guard == mutant.guard) for mutant in own]

    with mutated(module, {}):
        missed = [await failure(mutant.suite.holds(case)) for mutant, case in zip(own, cases, strict=True)]

    assert not any(missed), missed
