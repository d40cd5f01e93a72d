import socket
from collections.abc import Sequence
from typing import NoReturn

import httpx
import pytest
from langchain_core.tools import ToolException

from fusion_graph.errors import SettingsError
from fusion_graph.tools.download import Downloader
from fusion_graph.tools.network import addresses_of, is_public, lookup, parse_opened, parse_target

NAMES = {
    "example.com": ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    "xn--mnchen-3ya.de": ["93.184.215.14"],
    "10.0.0.1.nip.test": ["93.184.215.14"],
    "nat64.test": ["64:ff9b::5db8:d70e"],
    "localhost": ["127.0.0.1", "::1"],
    "intranet.test": ["10.1.2.3"],
    "metadata.google.internal": ["169.254.169.254"],
    "half.test": ["93.184.215.14", "192.168.1.1"],
    "half6.test": ["93.184.215.14", "fd00::1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "zone.test": ["fe80::1%eth0"],
    "multicast.test": ["239.1.2.3"],
    "empty.test": [],
    "garbage.test": ["not an address"],
}


async def stub(host: str, _port: int) -> Sequence[str]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return NAMES[host]


HOSTILE = [
    # this machine
    "http://localhost/",
    "http://LOCALHOST./",
    "http://127.0.0.1/",
    "http://127.1/",
    "http://127.127.127.127:8080/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0x0.0x0.0x1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://0/",
    "http://2130706433../",
    "http://localhost../",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[0:0:0:0:0:0:0:1]:8080/",
    # its IPv4 addresses inside IPv6
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2001:470:1f0b:1::5efe:10.0.0.1]/",
    # networks that are not the public internet
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.0.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://192.0.0.192/opc/v2/",
    "http://198.18.0.1/",
    "http://192.0.2.1/",
    "http://203.0.113.1/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    "http://[fc00::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
    # names that lead there
    "http://intranet.test/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://half.test/",
    "http://half6.test/",
    "http://mapped.test/",
    "http://zone.test/",
    "http://multicast.test/",
    "http://empty.test/",
    "http://garbage.test/",
    "http://unknown.test/",
    "http://" + "a" * 64 + ".test/",
    # ports, schemes, credentials, forms
    "http://example.com:22/",
    "http://example.com:6379/",
    "http://example.com:0/",
    "https://example.com:25/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/_x",
    "data:text/html,x",
    "javascript:alert(1)",
    "ws://example.com/",
    "http://user@example.com/",
    "http://user:hunter2secret@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1#@example.com/",
    "http://example.com:99999/",
    "http:///",
    "//example.com/",
    "example.com",
    "",
    "https://example.com/" + "a" * 4096,
]

PUBLIC = [
    "https://example.com/",
    "http://EXAMPLE.com.:80/a?b=c#d",
    "https://example.com:8443/",
    "http://example.com:8080/",
    "https://münchen.de/",
    "http://10.0.0.1.nip.test/",
    "http://93.184.215.14/",
    "http://0x5db8d70e/",
    "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    "http://[::ffff:93.184.215.14]/",
    "http://[64:ff9b::5db8:d70e]/",
    "http://[2002:5db8:d70e::1]/",
    "http://nat64.test/",
]


@pytest.mark.parametrize("url", HOSTILE)
async def test_what_is_not_the_public_web_is_refused_before_connecting(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> NoReturn:
        pytest.fail("it went as far as a client")

    monkeypatch.setattr(httpx, "AsyncClient", connect)

    with pytest.raises(ToolException) as caught:
        await Downloader(resolve=stub).get(url, lambda _: None)

    assert "hunter2" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("url", PUBLIC)
async def test_the_public_web_is_not_refused(url: str) -> None:
    addresses = await addresses_of(parse_target(url), stub, frozenset())

    assert addresses
    assert all(map(is_public, addresses))


def test_a_target_is_the_url_as_a_browser_reads_it() -> None:
    target = parse_target("HTTPS://Exa%6dple.com.:8443/a b?q=ü#x")

    assert (target.scheme, target.host, target.port, target.named) == ("https", "example.com", 8443, True)
    assert target.authority == "example.com:8443"
    assert target.path == "/a%20b?q=%C3%BC"


async def test_an_opened_endpoint_is_opened_alone() -> None:
    opened = parse_opened({"FUSION_FETCH_ALLOW": "intranet.test:9000, [::1]:8000"})

    async def addresses(url: str) -> list[str]:
        return await addresses_of(parse_target(url, opened), stub, opened)

    assert await addresses("http://intranet.test:9000/") == ["10.1.2.3"]
    assert await addresses("http://[::1]:8000/") == ["::1"]
    for url in ("http://intranet.test/", "http://intranet.test:9001/", "http://localhost:8000/", "http://[::1]/"):
        with pytest.raises(ToolException):
            await addresses(url)


@pytest.mark.parametrize("value", ["intranet", "intranet:", ":80", "http://a:80", "a:b", "a b:80", "a/b:80"])
def test_a_wrong_entry_of_the_opened_is_named(value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_opened({"FUSION_FETCH_ALLOW": f"ok.test:80,{value}"})

    assert caught.value.field == "FUSION_FETCH_ALLOW"
    assert caught.value.value == value
    assert "host:port" in str(caught.value.hint)


def test_nothing_is_opened_by_default() -> None:
    assert parse_opened({}) == frozenset()
    assert parse_opened({"FUSION_FETCH_ALLOW": " , "}) == frozenset()


async def test_the_system_resolver_gives_each_address_once() -> None:
    found = await lookup("127.0.0.1", 80)

    assert found == ["127.0.0.1"]
