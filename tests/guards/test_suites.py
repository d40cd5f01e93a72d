"""The suites of this folder against the present code, and against guards that are none: those must be reported."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import httpx
import pytest
from langchain_core.tools import StructuredTool, ToolException

from fusion_graph.tools import Limits, domains
from tests.guards import rules, servers, urls
from tests.guards.rules import RuleCase
from tests.guards.servers import ServerCase
from tests.guards.urls import UrlCase
from tests.guards.wire import Names, failure

pytestmark = pytest.mark.timeout(20)


@pytest.mark.parametrize("case", urls.CASES, ids=str)
async def test_the_public_web_and_no_other_host_is_connected_to(case: UrlCase) -> None:
    await urls.holds(case)


@pytest.mark.parametrize("case", rules.CASES, ids=str)
async def test_a_domain_rule_covers_its_site_and_no_other(case: RuleCase) -> None:
    await rules.holds(case)


@pytest.mark.parametrize("case", servers.CASES, ids=str)
async def test_no_server_does_harm_and_pages_are_read(case: ServerCase) -> None:
    await servers.holds(case)


@pytest.mark.parametrize(
    ("cases", "many", "many_good"),
    [
        (urls.CASES, 280, 65),
        (rules.CASES, 330, 75),
        (servers.CASES, 380, 175),
    ],
    ids=["urls", "rules", "servers"],
)
def test_a_suite_is_not_cut_down(cases: Sequence[UrlCase | RuleCase | ServerCase], many: int, many_good: int) -> None:
    good = [case for case in cases if _is_good(case)]

    assert len({str(case) for case in cases}) == len(cases) >= many
    assert len(good) >= many_good


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("connect_seconds", 5),
        ("total_seconds", 20),
        ("redirects", 5),
        ("header_bytes", 64 * 2**10),
        ("wire_bytes", 5 * 2**20),
        ("decoded_bytes", 10 * 2**20),
        ("ratio", 100),
        ("pdf_bytes", 20 * 2**20),
    ],
)
def test_a_limit_is_what_was_measured(limit: str, value: float) -> None:
    assert getattr(Limits(), limit) == value
    assert Limits().page_chars <= 40_000


async def test_an_address_guard_that_lets_all_through_is_reported() -> None:
    async def connect(url: str, names: Names) -> tuple[str, bool]:
        with suppress(OSError):
            await asyncio.open_connection("10.0.0.1", 80)
        return "nothing there", True

    reported = [case for case in urls.CASES if await failure(urls.holds(case, connect))]

    assert reported == urls.CASES


async def test_an_address_guard_that_refuses_all_is_reported() -> None:
    async def refuse(url: str, names: Names) -> tuple[str, bool]:
        return "no", True

    reported = [case for case in urls.CASES if await failure(urls.holds(case, refuse))]

    assert reported == [case for case in urls.CASES if _is_good(case)]


async def test_a_plain_client_is_reported() -> None:
    async def get(url: str, names: Names) -> tuple[str, bool]:
        with suppress(httpx.HTTPError, httpx.InvalidURL):
            await client.get(url)
        return "nothing there", True

    async with httpx.AsyncClient(follow_redirects=True) as client:
        reported = [case for case in urls.CASES if not _is_good(case) and await failure(urls.holds(case, get))]

    assert len(reported) > 100  # what is no URL, it does not connect for either
    assert {case.guard for case in reported} >= {"ports", "this machine", "global addresses", "mapped", "6to4", "NAT64"}


def _let_through(_url: str, **_rules: Sequence[str]) -> str | None:
    return None


def _stop(_url: str, *, allowed: Sequence[str] = (), excluded: Sequence[str] = ()) -> str | None:
    return f"the domain rules {[*allowed, *excluded]} are against it"


@pytest.mark.parametrize(("rule", "lets"), [(_let_through, True), (_stop, False)])
async def test_rules_that_let_all_or_nothing_through_are_reported(
    rule: Callable[..., str | None], *, lets: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domains, "refusal_reason", rule)

    reported = [case for case in rules.CASES if await failure(rules.holds(case))]

    assert reported == [case for case in rules.CASES if _is_good(case) is not lets]


async def test_a_fetch_that_refuses_all_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    await _reported([case for case in servers.CASES if case.shows is not None], "", monkeypatch)


async def test_a_fetch_that_reads_all_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    await _reported([case for case in servers.CASES if case.says is not None], "a page", monkeypatch)


async def test_a_fetch_that_says_what_it_must_not_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [case for case in servers.CASES if case.lacks]

    await _reported(cases, "".join(words for case in cases for words in case.lacks), monkeypatch)


async def _reported(cases: Sequence[ServerCase], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def web_fetch(url: str, start: int = 0) -> str:
        if not said:
            raise ToolException("no")
        return said

    stub = StructuredTool.from_function(coroutine=web_fetch, description="Say the same of every page.")
    monkeypatch.setattr(servers.Visit, "tool", lambda *_, **__: stub)

    assert cases == [case for case in cases if await failure(servers.holds(case))]


def _is_good(case: UrlCase | RuleCase | ServerCase) -> bool:
    if isinstance(case, UrlCase):
        return bool(case.endpoints)
    return case.passes if isinstance(case, RuleCase) else case.shows is not None
