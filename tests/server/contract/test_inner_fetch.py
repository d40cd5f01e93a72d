"""The panel's web_fetch, as requests set it up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.server.contract.asking import running
from tests.server.contract.inner import HOSTS, PAGES, asks, fetching, urls

pytestmark = pytest.mark.usefixtures("web")


@pytest.mark.contract("6.9")
def test_a_page_is_given_in_parts_of_the_length_that_is_set(db: Path) -> None:
    with running(fetching(PAGES[0]), db) as served:
        small, large = (
            asks(served, "web_fetch", max_content_tokens=200),
            asks(served, "web_fetch", max_content_tokens=2000),
        )

    texts = [told["choices"][0]["message"]["reasoning_details"][0]["result"] for told in (small, large)]
    assert texts[0].count("The tides of the sea") < texts[1].count("The tides of the sea")
    assert 200 * 4 - 100 < len(texts[0]) < 200 * 4 + 1500
    assert urls(small) == urls(large) == [PAGES[0]]


def opened(told: dict[str, Any]) -> list[str]:
    return [source["url"] for source in told["x_fusion"]["sources"] if source["status"] == "read"]


def at(*hosts: str) -> list[str]:
    return [f"https://{host}/a/1" for host in hosts]


@pytest.mark.contract("6.12")
@pytest.mark.parametrize(
    ("parameters", "asked", "read"),
    [
        pytest.param(
            {"allowed_domains": ["tides.example"]}, at(*HOSTS), at(*HOSTS[:3]), marks=pytest.mark.contract("6.10")
        ),
        pytest.param(
            {"blocked_domains": ["tides.example"]}, at(*HOSTS), at(*HOSTS[3:]), marks=pytest.mark.contract("6.11")
        ),
        pytest.param(
            {"blocked_domains": ["tides.example/a"]}, PAGES[:6], PAGES[2:6], marks=pytest.mark.contract("6.13", "6.11")
        ),
        pytest.param(
            {"allowed_domains": ["tides.example/a"]}, PAGES[:6], PAGES[:2], marks=pytest.mark.contract("6.13", "6.10")
        ),
    ],
)
def test_a_fetch_keeps_to_its_domains(
    db: Path, parameters: dict[str, Any], asked: Sequence[str], read: Sequence[str]
) -> None:
    with running(fetching(*asked), db) as served:
        told = asks(served, "web_fetch", **parameters)

    assert opened(told) == list(read)
    assert told["usage"]["server_tool_use_details"]["tool_calls_requested"] == len(asked)
