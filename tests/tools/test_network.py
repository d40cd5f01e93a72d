from collections.abc import Sequence

import pytest
from langchain_core.tools import ToolException

from fusion_graph.errors import SettingsError
from fusion_graph.tools.web.network import addresses_of, lookup, parse_opened, parse_target

NAMES = {"localhost": ["127.0.0.1", "::1"], "intranet.test": ["10.1.2.3"]}


async def stub(host: str, _port: int) -> Sequence[str]:
    return NAMES[host]


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
