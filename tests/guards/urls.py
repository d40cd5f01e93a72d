"""URLs that web_fetch must not connect for, and URLs that it must."""

# ruff: noqa: RUF001 - letters that look alike are what these URLs are about

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

from fusion_graph.tools import make_panel_tools
from tests.guards.wire import Names, Wire, say, watched

PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
SECRET = "hunter2"

# What names resolve to, the first time, the second time, ...: from then on, the last.
NAMES = {
    "example.com": [f"{PUBLIC} {PUBLIC_V6}"],
    "www.example.com": [PUBLIC],
    "v4.test": [PUBLIC],
    "xn--mnchen-3ya.de": [PUBLIC],
    "xn--e1afmkfd.xn--p1ai": [PUBLIC],
    "xn--r8jz45g.jp": [PUBLIC],
    "xn--fa-hia.de": [PUBLIC],
    "xn--bcher-kva.example.com": [PUBLIC],
    "xn--ls8h.test": [PUBLIC],
    "10.0.0.1.nip.test": [PUBLIC],
    "localhost.v4.test": [PUBLIC],
    "127.0.0.1.v4.test": [PUBLIC],
    "metadata.v4.test": [PUBLIC],
    "169-254-169-254.v4.test": [PUBLIC],
    "under_score.test": [PUBLIC],
    "a" * 63 + ".test": [PUBLIC],
    "many.test": ["93.184.215.14 93.184.215.15 93.184.215.16 93.184.215.17 93.184.215.18"],
    "twice.test": [f"{PUBLIC} {PUBLIC}"],
    "nat64.test": ["64:ff9b::5db8:d70e"],
    "mapped-public.test": [f"::ffff:{PUBLIC}"],
    "v6.test": [PUBLIC_V6],
    # this machine and its neighbours
    "localhost": ["127.0.0.1 ::1"],
    "localhost.localdomain": ["127.0.0.1"],
    "sub.localhost": ["127.0.0.1"],
    "loop.test": ["127.0.0.1"],
    "loop6.test": ["::1"],
    "intranet.test": ["10.1.2.3"],
    "home.test": ["192.168.178.1"],
    "cgnat.test": ["100.64.3.4"],
    "metadata.google.internal": ["169.254.169.254"],
    "10.0.0.1.nip.io": ["10.0.0.1"],
    "xn--bse-sna.test": ["10.0.0.1"],
    "any.test": ["0.0.0.0"],  # noqa: S104 - nothing is bound
    "multicast.test": ["239.1.2.3"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "mapped-hex.test": ["::ffff:a9fe:a9fe"],
    "compatible.test": ["::127.0.0.1"],
    "nat64-bad.test": ["64:ff9b::a00:1"],
    "nat64-local.test": ["64:ff9b:1::5db8:d70e"],
    "sixtofour.test": ["2002:7f00:1::1"],
    "teredo.test": ["2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "isatap.test": ["2001:470:1f0b:1::5efe:a00:1"],
    "ula.test": ["fd12:3456:789a::1"],
    "zone.test": ["fe80::1%eth0"],
    "public-zone.test": [f"{PUBLIC_V6}%lo"],
    # several addresses, one of them bad
    "first-bad.test": [f"192.168.1.1 {PUBLIC}"],
    "last-bad.test": [f"{PUBLIC} 192.168.1.1"],
    "fifth-bad.test": ["93.184.215.14 93.184.215.15 93.184.215.16 93.184.215.17 127.0.0.1"],
    "v6-bad.test": [f"{PUBLIC} fd00::1"],
    "v4-bad.test": [f"{PUBLIC_V6} 127.0.0.1"],
    "mapped-among.test": [f"{PUBLIC} ::ffff:10.0.0.1"],
    "empty.test": [""],
    "garbage.test": ["no.address"],
    "garbage-among.test": [f"{PUBLIC} no.address"],
    "spelled.test": ["0x7f000001"],
    "zeros.test": ["0177.0.0.1"],
    # rebinding: public when asked first, this machine when asked again, and the reverse
    "rebinding.test": [PUBLIC, "127.0.0.1"],
    "rebinding6.test": [PUBLIC_V6, "::1"],
    "rebinding-mapped.test": [PUBLIC, "::ffff:169.254.169.254"],
    "rebinding-some.test": [f"{PUBLIC} 93.184.215.15", f"{PUBLIC} 10.0.0.1"],
    "rebinding-gone.test": [PUBLIC, ""],
    "rebinding-back.test": ["127.0.0.1", PUBLIC],
    "rebinding-metadata.test": ["169.254.169.254", PUBLIC],
}

REFUSED = {
    "schemes": {
        "ftp": "ftp://example.com/",
        "file": "file:///etc/passwd",
        "file with a host": "file://example.com/etc/passwd",
        "gopher": "gopher://example.com/_x",
        "dict": "dict://example.com:80/x",
        "ldap": "ldap://example.com:80/x",
        "data": "data:text/html,x",
        "javascript": "javascript:alert(1)",
        "web socket": "ws://example.com/",
        "secure web socket": "wss://example.com/",
        "blob": "blob:http://example.com/1",
        "view-source": "view-source:http://example.com/",
        "jar": "jar:http://example.com/x!/y",
        "no scheme": "example.com",
        "a host with a port and no scheme": "example.com:80/x",
        "relative to a scheme": "//example.com/",
        "a path": "/etc/passwd",
        "nothing": "",
        "blanks": "   ",
        "no host": "http:///",
        "only a port": "http://:80/",
        "only a dot": "http://./",
    },
    "userinfo": {
        "a user": "http://user@example.com/",
        "a password": f"http://user:{SECRET}@example.com/",
        "a password alone": f"http://:{SECRET}@example.com/",
        "this machine behind it": "http://example.com@127.0.0.1/",
        "a host behind an escaped slash": "http://example.com%2f@loop.test/",
        "two at signs": f"http://a:{SECRET}@b@example.com/",
        "an escaped at sign": "http://user%40x@example.com/",
    },
    "ports": {
        "0": "http://example.com:0/",
        "22": "http://example.com:22/",
        "25": "https://example.com:25/",
        "81": "http://example.com:81/",
        "444": "https://example.com:444/",
        "3306": "http://example.com:3306/",
        "6379": "http://example.com:6379/",
        "8000": "http://example.com:8000/",
        "8081": "http://example.com:8081/",
        "11211": "http://example.com:11211/",
        "65535": "http://example.com:65535/",
        "99999": "http://example.com:99999/",
        "65616, which wraps to 80": "http://example.com:65616/",
        "negative": "http://example.com:-80/",
        "no number": "http://example.com:http/",
        "two": "http://example.com:80:80/",
        "of an IPv6 address": f"http://[{PUBLIC_V6}]:22/",
    },
    "URL length": {
        "one too many": "https://example.com/".ljust(4097, "a"),
        "a long query": "https://example.com/?q=".ljust(5000, "a"),
        "a long fragment": "https://example.com/#".ljust(5000, "a"),
        "a long host": "https://" + "a." * 2500 + "com/",
        "a megabyte": "https://example.com/" + "a" * 2**20,
        "too long once escaped": "https://example.com/" + "ü" * 4000,
    },
    "this machine": {
        "a name": "http://localhost/",
        "upper case and a dot": "http://LOCALHOST./",
        "two dots": "http://localhost../",
        "a longer name": "http://localhost.localdomain/",
        "a sub-domain": "http://sub.localhost/",
        "dotted": "http://127.0.0.1/",
        "with a dot at the end": "http://127.0.0.1./",
        "another port": "http://127.0.0.1:8080/",
        "elsewhere in its network": "http://127.127.127.127/",
        "two parts": "http://127.1/",
        "three parts": "http://127.0.1/",
        "one number": "http://2130706433/",
        "one number and dots": "http://2130706433../",
        "hexadecimal": "http://0x7f000001/",
        "hexadecimal parts": "http://0x7f.0x0.0x0.0x1/",
        "octal": "http://017700000001/",
        "octal parts": "http://0177.0.0.1/",
        "padded": "http://127.000.000.001/",
        "mixed bases": "http://0x7f.0.0.01/",
        "no address": "http://0.0.0.0/",
        "no address, short": "http://0/",
        "no address, hexadecimal": "http://0x0/",
        "this network": "http://0.1.2.3/",
        "IPv6": "http://[::1]/",
        "IPv6 in full": "http://[0:0:0:0:0:0:0:1]:8080/",
        "IPv6, no address": "http://[::]/",
        "behind a backslash": "http://127.0.0.1\\@example.com/",
        "before a query": "http://127.0.0.1?@example.com/",
        "before a fragment": "http://127.0.0.1#@example.com/",
        "with a tab inside": "http://127.0.\t0.1/",
        "with a line end inside": "http://loop\n.test/",
        "without slashes": "http:127.0.0.1/",
        "a name of its own": "http://loop.test/",
        "a name of its own in IPv6": "http://loop6.test/",
        "a name for no address": "http://any.test/",
    },
    "global addresses": {
        "10/8": "http://10.0.0.1/",
        "10/8, its end": "http://10.255.255.255/",
        "172.16/12": "http://172.16.0.1/",
        "172.16/12, its end": "http://172.31.255.255/",
        "192.168/16": "http://192.168.0.1/",
        "carrier's NAT": "http://100.64.0.1/",
        "carrier's NAT, its end": "http://100.127.255.254/",
        "link-local": "http://169.254.1.1/",
        "metadata": "http://169.254.169.254/latest/meta-data/",
        "metadata as a number": "http://2852039166/latest/meta-data/",
        "metadata of Alibaba": "http://100.100.100.200/latest/meta-data/",
        "metadata of Azure": "http://168.63.129.16/machine",
        "metadata of Oracle": "http://192.0.0.192/opc/v2/",
        "metadata by name": "http://metadata.google.internal/computeMetadata/v1/",
        "protocol assignments": "http://192.0.0.8/",
        "benchmarks": "http://198.18.0.1/",
        "benchmarks, their end": "http://198.19.255.255/",
        "documentation 1": "http://192.0.2.1/",
        "documentation 2": "http://198.51.100.1/",
        "documentation 3": "http://203.0.113.1/",
        "relays of 6to4": "http://192.88.99.1/",
        "multicast": "http://224.0.0.1/",
        "multicast for discovery": "http://239.255.255.250/",
        "reserved": "http://240.0.0.1/",
        "broadcast": "http://255.255.255.255/",
        "broadcast as a number": "http://4294967295/",
        "a private name": "http://intranet.test/",
        "a router": "http://home.test/",
        "a name in carrier's NAT": "http://cgnat.test/",
        "a multicast name": "http://multicast.test/",
        "a name that tells its address": "http://10.0.0.1.nip.io/",
    },
    "IPv6": {
        "unique local": "http://[fc00::1]/",
        "unique local, random": "http://[fd12:3456:789a::1]/",
        "metadata of Amazon": "http://[fd00:ec2::254]/latest/meta-data/",
        "link-local": "http://[fe80::1]/",
        "link-local, its end": "http://[febf::1]/",
        "link-local with a zone": "http://[fe80::1%25eth0]/",
        "link-local with a bare zone": "http://[fe80::1%eth0]/",
        "site-local": "http://[fec0::1]/",
        "multicast on the link": "http://[ff02::1]/",
        "multicast of global scope": "http://[ff0e::1]/",
        "documentation": "http://[2001:db8::1]/",
        "documentation, the new block": "http://[3fff::1]/",
        "benchmarks": "http://[2001:2::1]/",
        "identifiers": "http://[2001:20::1]/",
        "discard": "http://[100::1]/",
        "segment routing": "http://[5f00::1]/",
        "unassigned": "http://[4000::1]/",
        "a name in the unique local": "http://ula.test/",
        "a name with a zone": "http://zone.test/",
        "a name for a public address with a zone": "http://public-zone.test/",
        "unfinished": "http://[::1",
        "two brackets": "http://[[::1]]/",
    },
    "mapped": {
        "this machine": "http://[::ffff:127.0.0.1]/",
        "this machine in hexadecimal": "http://[::ffff:7f00:1]/",
        "in full": "http://[0:0:0:0:0:ffff:7f00:0001]/",
        "private": "http://[::ffff:10.0.0.1]/",
        "metadata": "http://[::ffff:a9fe:a9fe]/",
        "a name": "http://mapped.test/",
        "a name for metadata": "http://mapped-hex.test/",
        "translated": "http://[::ffff:0:127.0.0.1]/",
    },
    "compatible": {
        "this machine": "http://[::127.0.0.1]/",
        "private": "http://[::a00:1]/",
        "a name": "http://compatible.test/",
    },
    "NAT64": {
        "this machine": "http://[64:ff9b::7f00:1]/",
        "private": "http://[64:ff9b::10.0.0.1]/",
        "metadata": "http://[64:ff9b::a9fe:a9fe]/",
        "a name": "http://nat64-bad.test/",
    },
    "local NAT64": {
        "private": "http://[64:ff9b:1::a00:1]/",
        "public": "http://[64:ff9b:1::5db8:d70e]/",
        "its end": "http://[64:ff9b:1:ffff:ffff:ffff:5db8:d70e]/",
        "a name": "http://nat64-local.test/",
    },
    "6to4": {
        "this machine": "http://[2002:7f00:1::]/",
        "private": "http://[2002:a00:1::1]/",
        "a router": "http://[2002:c0a8:101::1]/",
        "metadata": "http://[2002:a9fe:a9fe::1]/",
        "a name": "http://sixtofour.test/",
    },
    "Teredo": {
        "this machine": "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
        "private": "http://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/",
        "public": "http://[2001:0:4136:e378:8000:63bf:a247:28f1]/",
        "a name": "http://teredo.test/",
    },
    "ISATAP": {
        "private": "http://[2001:470:1f0b:1::5efe:10.0.0.1]/",
        "this machine": "http://[2001:470:1f0b:1:0:5efe:7f00:1]/",
        "marked as unique": "http://[2001:470:1f0b:1:200:5efe:c0a8:1]/",
        "on the link": "http://[fe80::5efe:5db8:d70e]/",
        "a name": "http://isatap.test/",
    },
    "host spellings": {
        "full-width digits": "http://１２７.０.０.１/",
        "circled digits": "http://①②⑦.⓪.⓪.①/",
        "ideographic dots": "http://127。0。0。1/",
        "half-width dots": "http://127｡0｡0｡1/",
        "full-width dots": "http://127．0．0．1/",
        "full-width letters": "http://ｌｏｃａｌｈｏｓｔ/",
        "circled letters": "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
        "a soft hyphen": "http://local\u00adhost/",
        "a joiner": "http://local\u2060host/",
        "escaped digits": "http://%31%32%37.0.0.1/",
        "escaped dots": "http://127%2e0%2e0%2e1/",
        "escaped ideographic dots": "http://127%E3%80%820%E3%80%820%E3%80%821/",
        "escaped letters": "http://l%6fcalhost/",
        "escaped twice": "http://%256cocalhost/",
        "an escaped zero byte": "http://127.0.0.1%00.example.com/",
        "an escaped slash": "http://example.com%2f.loop.test/",
        "an IDN that is private": "http://böse.test/",
        "its punycode": "http://xn--bse-sna.test/",
        "broken punycode": "http://xn--a-ä.test/",
        "a number too large": "http://4294967296/",
        "a part too large": "http://256.256.256.256/",
        "five parts": "http://1.2.3.4.5/",
        "a blank": "http://exa mple.com/",
        "nobody's name": "http://unknown.test/",
        "a label too long": "http://" + "a" * 64 + ".test/",
        "an empty label": "http://example..com/",
    },
    "every address": {
        "the first is bad": "http://first-bad.test/",
        "the last is bad": "http://last-bad.test/",
        "the fifth is bad": "http://fifth-bad.test/",
        "the IPv6 one is bad": "http://v6-bad.test/",
        "the IPv4 one is bad": "http://v4-bad.test/",
        "a mapped one is bad": "http://mapped-among.test/",
        "there is none": "http://empty.test/",
        "it is no address": "http://garbage.test/",
        "one is no address": "http://garbage-among.test/",
        "it is spelled oddly": "http://spelled.test/",
        "it has zeros": "http://zeros.test/",
    },
    "resolve once": {
        "bad first, good later": "http://rebinding-back.test/",
        "metadata first, good later": "http://rebinding-metadata.test/",
    },
}

# URLs with the addresses and ports that may be connected to, the first of them first.
ALLOWED = {
    "schemes": {
        "https": ("https://v4.test/", f"{PUBLIC} 443"),
        "upper case": ("HTTPS://V4.TEST/", f"{PUBLIC} 443"),
        "backslashes": ("https:\\\\v4.test\\x", f"{PUBLIC} 443"),
        "one slash": ("https:/v4.test/", f"{PUBLIC} 443"),
        "blanks around": ("  https://v4.test/ ", f"{PUBLIC} 443"),
    },
    "userinfo": {
        "an at sign in the path": ("https://v4.test/@user:x@y/", f"{PUBLIC} 443"),
        "an at sign in the query": ("https://v4.test/?mail=a@b.test", f"{PUBLIC} 443"),
        "this machine behind a backslash": ("http://v4.test\\@127.0.0.1/", f"{PUBLIC} 80"),
        "this machine behind a fragment": ("http://v4.test#@127.0.0.1/", f"{PUBLIC} 80"),
    },
    "ports": {
        "80": ("http://v4.test:80/", f"{PUBLIC} 80"),
        "443": ("https://v4.test:443/", f"{PUBLIC} 443"),
        "8080": ("http://v4.test:8080/", f"{PUBLIC} 8080"),
        "8443": ("https://v4.test:8443/", f"{PUBLIC} 8443"),
        "443 without TLS": ("http://v4.test:443/", f"{PUBLIC} 443"),
        "an empty one": ("http://v4.test:/", f"{PUBLIC} 80"),
        "zeros before it": ("http://v4.test:0080/", f"{PUBLIC} 80"),
    },
    "URL length": {
        "just legal": ("https://v4.test/".ljust(4096, "a"), f"{PUBLIC} 443"),
        "a long query": ("https://v4.test/?q=" + "%20" * 1300, f"{PUBLIC} 443"),
        "the longest label": ("https://" + "a" * 63 + ".test/", f"{PUBLIC} 443"),
    },
    "global addresses": {
        "an address": (f"http://{PUBLIC}/", f"{PUBLIC} 80"),
        "an address in hexadecimal": ("http://0x5db8d70e/", f"{PUBLIC} 80"),
        "before 10/8": ("http://9.255.255.255/", "9.255.255.255 80"),
        "after 10/8": ("http://11.0.0.1/", "11.0.0.1 80"),
        "before 172.16/12": ("http://172.15.255.255/", "172.15.255.255 80"),
        "after 172.16/12": ("http://172.32.0.1/", "172.32.0.1 80"),
        "after 192.168/16": ("http://192.169.0.1/", "192.169.0.1 80"),
        "before carrier's NAT": ("http://100.63.255.255/", "100.63.255.255 80"),
        "after carrier's NAT": ("http://100.128.0.1/", "100.128.0.1 80"),
        "before link-local": ("http://169.253.255.255/", "169.253.255.255 80"),
        "after benchmarks": ("http://198.20.0.1/", "198.20.0.1 80"),
        "before multicast": ("http://223.255.254.1/", "223.255.254.1 80"),
        "beside Azure's": ("http://168.63.129.17/", "168.63.129.17 80"),
        "a name like a private address": ("http://10.0.0.1.nip.test/", f"{PUBLIC} 80"),
        "a name like this machine's address": ("http://127.0.0.1.v4.test/", f"{PUBLIC} 80"),
        "a name that begins like this machine": ("http://localhost.v4.test/", f"{PUBLIC} 80"),
        "a name like metadata's address": ("http://169-254-169-254.v4.test/", f"{PUBLIC} 80"),
    },
    "IPv6": {
        "an address": (f"http://[{PUBLIC_V6}]/", f"{PUBLIC_V6} 80"),
        "an address and a port": (f"https://[{PUBLIC_V6}]:8443/", f"{PUBLIC_V6} 8443"),
        "Google's": ("https://[2001:4860:4860::8888]/", "2001:4860:4860::8888 443"),
        "a low half like ISATAP's": ("http://[2606:2800:21f::5eff:10.0.0.1]/", "2606:2800:21f::5eff:a00:1 80"),
        "a name": ("https://v6.test/", f"{PUBLIC_V6} 443"),
        "a name in both": ("https://example.com/", f"{PUBLIC} 443 {PUBLIC_V6} 443"),
    },
    "mapped": {
        "public": (f"http://[::ffff:{PUBLIC}]/", "::ffff:5db8:d70e 80"),
        "a name": ("http://mapped-public.test/", "::ffff:5db8:d70e 80"),
    },
    "NAT64": {
        "public": ("http://[64:ff9b::5db8:d70e]/", "64:ff9b::5db8:d70e 80"),
        "a name": ("http://nat64.test/", "64:ff9b::5db8:d70e 80"),
    },
    "6to4": {"public": ("http://[2002:5db8:d70e::1]/", "2002:5db8:d70e::1 80")},
    "ISATAP": {"public": ("http://[2001:470:1f0b:1::5efe:5db8:d70e]/", "2001:470:1f0b:1:0:5efe:5db8:d70e 80")},
    "host spellings": {
        "an IDN": ("https://münchen.de/", f"{PUBLIC} 443"),
        "an IDN in upper case": ("https://MÜNCHEN.DE/", f"{PUBLIC} 443"),
        "its punycode": ("https://xn--mnchen-3ya.de/", f"{PUBLIC} 443"),
        "Cyrillic": ("https://пример.рф/", f"{PUBLIC} 443"),
        "Japanese with its dot": ("https://例え。jp/", f"{PUBLIC} 443"),
        "a sharp s": ("https://faß.de/", f"{PUBLIC} 443"),
        "an IDN as a sub-domain": ("https://bücher.example.com/", f"{PUBLIC} 443"),
        "an emoji": ("https://💩.test/", f"{PUBLIC} 443"),
        "an underscore": ("https://under_score.test/", f"{PUBLIC} 443"),
        "a dot at the end": ("https://v4.test./", f"{PUBLIC} 443"),
        "full-width letters": ("https://ｖ４.test/", f"{PUBLIC} 443"),
        "an escaped letter": ("https://%764.test/", f"{PUBLIC} 443"),
        "an escaped dot": ("https://v4%2etest/", f"{PUBLIC} 443"),
    },
    "every address": {
        "five good ones": ("http://many.test/", " ".join(f"93.184.215.{last} 80" for last in range(14, 19))),
        "one twice": ("http://twice.test/", f"{PUBLIC} 80"),
    },
    "pin": {
        "this machine later": ("http://rebinding.test/", f"{PUBLIC} 80"),
        "this machine later, in TLS": ("https://rebinding.test/", f"{PUBLIC} 443"),
        "this machine later, in IPv6": ("http://rebinding6.test/", f"{PUBLIC_V6} 80"),
        "metadata later": ("http://rebinding-mapped.test/", f"{PUBLIC} 80"),
        "one bad one later": ("http://rebinding-some.test/", f"{PUBLIC} 80 93.184.215.15 80"),
        "nothing later": ("http://rebinding-gone.test/", f"{PUBLIC} 80"),
    },
}


@dataclass(frozen=True, slots=True)
class UrlCase:
    """A URL, and the addresses with ports that may be connected to for it; none if it is refused."""

    guard: str
    name: str
    url: str
    endpoints: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.guard}-{self.name}-{'allowed' if self.endpoints else 'refused'}"


def _cases() -> Iterator[UrlCase]:
    for guard, urls in REFUSED.items():
        yield from (UrlCase(guard, name, url) for name, url in urls.items())
    for guard, rows in ALLOWED.items():
        for name, (url, ends) in rows.items():
            words = ends.split()
            yield UrlCase(guard, name, url, tuple(zip(words[::2], map(int, words[1::2]), strict=True)))


CASES = list(_cases())

# Asks for a URL with a resolver, and returns what it says and whether that is a refusal.
Fetch: TypeAlias = Callable[[str, Names], Awaitable[tuple[str, bool]]]


async def web_fetch(url: str, names: Names) -> tuple[str, bool]:
    """Ask the tool as a run has it."""
    tool = make_panel_tools({"FUSION_SEARCH": "none"}, resolve=names.resolve).bind(["web_fetch"])[0]
    return await say(tool, {"url": url})


async def holds(case: UrlCase, fetch: Fetch = web_fetch) -> None:
    """Raise an AssertionError unless the URL is treated as the table says; nothing is really connected to."""
    names = Names(NAMES)
    with watched() as wire:
        said, refused = await fetch(case.url, names)
    assert refused, f"{case}: nothing can be read here, yet it said {said[:200]!r}"
    assert SECRET not in said, f"{case}: the password is repeated in {said!r}"
    assert len(said) < 1000, f"{case}: the refusal has {len(said)} characters"
    assert not wire.lookups, f"{case}: the system was asked for {wire.lookups}"
    assert len(names.asked) <= 1, f"{case}: the name was looked up {len(names.asked)} times"
    _check_connects(case, wire)


def _check_connects(case: UrlCase, wire: Wire) -> None:
    assert case.endpoints or not wire.connects, f"{case}: connected to {wire.connects} for {case.url[:200]!r}"
    connects = [(int(ip_address(host)), port) for host, port in wire.connects]  # Pythons write them differently
    wanted = [(int(ip_address(host)), port) for host, port in case.endpoints]
    assert set(connects) <= set(wanted), f"{case}: connected to {wire.connects}, not to {case.endpoints}"
    assert connects[:1] == wanted[:1], f"{case}: refused {case.url[:200]!r}"
