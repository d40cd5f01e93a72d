import asyncio
import builtins
import json
import socket
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException

from fusion_graph.tools import Hit, SearchBackend, SearchRequest
from fusion_graph.tools.domains import DomainRules
from fusion_graph.tools.search import exa, tavily
from fusion_graph.tools.search.exa import ExaSearch
from fusion_graph.tools.search.searxng import SearxngSearch
from fusion_graph.tools.search.service import imported
from fusion_graph.tools.search.tavily import TavilySearch
from fusion_graph.tools.search.tool import make_search_tool
from tests.tools.search_services import KEY, Answer, Exa, Searxng, Service, Tavily

SERVICES = (Exa, Tavily, Searxng)
KEYED = (Exa, Tavily)
HTML = "<!doctype html><title>Sign in</title>"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=SERVICES, ids=lambda kind: kind.name)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    kind: type[Service] = request.param
    service = kind()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.port = server.sockets[0].getsockname()[1]
    yield service
    server.close()
    await service.finish()
    await server.wait_closed()


def only(*kinds: type[Service]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("service", kinds, ids=lambda kind: kind.name, indirect=True)


def page(number: int, host: str = "example.org", snippet: str = "High water.") -> Hit:
    return Hit(f"https://{host}/{number}", f"Page {number}", snippet, "2024-05-06T00:00:00")


async def search(service: Service, **arguments: Any) -> list[Hit]:
    return await service.backend().search(SearchRequest(query="tides", **arguments))


async def failure(backend: SearchBackend, query: str = "tides") -> str:
    with pytest.raises(ToolException) as caught:
        await backend.search(SearchRequest(query=query))
    said = str(caught.value)
    assert KEY not in said
    return said


async def use(service: Service, rules: DomainRules, **arguments: Any) -> ToolMessage:
    call = {"type": "tool_call", "id": "1", "name": "web_search", "args": {"query": "tides", **arguments}}
    message = await make_search_tool(service.backend(), rules).ainvoke(call)
    assert isinstance(message, ToolMessage)
    return message


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


async def test_what_a_service_finds_becomes_hits_in_its_order(service: Service) -> None:
    service.hits = [page(2), page(1), Hit("http://example.net/", "No date", "")]

    hits = await search(service)

    assert hits == service.hits
    service.check_request("tides", most=5, allowed=(), excluded=())


async def test_the_tool_cleans_what_a_service_sends(service: Service) -> None:
    tag = "\U000e0041"
    service.hits = [Hit("https://example.org/1", f"Ti{tag}des", f"High\u200b\n\nwa{tag}ter.", "2024-05-06")]

    message = await use(service, DomainRules())

    assert message.content == "Tides\nhttps://example.org/1\nPublished: 2024-05-06\nHigh water."
    assert message.artifact["sources"][0]["snippet"] == "High water."


async def test_a_service_that_finds_nothing_is_no_failure(service: Service) -> None:
    hits = await search(service)
    message = await use(service, DomainRules())

    assert hits == []
    assert message.content == "No results for 'tides'. Try other or fewer words."


async def test_a_result_without_an_address_of_the_web_is_left_out(service: Service) -> None:
    service.hits = [page(1), page(2), Hit("javascript:alert(1)", "Bad", ""), page(4)]
    reply = service.reply(service.hits)
    del reply["results"][0]["url"]
    reply["results"][1]["url"] = None
    service.answer = Answer(json.dumps(reply))

    assert await search(service) == [page(4)]


async def test_a_result_may_lack_everything_but_its_address(service: Service) -> None:
    reply = service.reply([page(1)])
    reply["results"] = [{"url": "https://example.org/1"}]
    service.answer = Answer(json.dumps(reply))

    assert await search(service) == [Hit("https://example.org/1", "", "")]


async def test_no_more_results_are_taken_than_were_wanted(service: Service) -> None:
    service.hits = [page(number) for number in range(30)]

    hits = await search(service, max_results=3)

    assert hits == service.hits[:3]
    service.check_request("tides", most=3, allowed=(), excluded=())


async def test_snippets_are_no_longer_than_was_asked(service: Service) -> None:
    service.hits = [page(1, snippet="water " * 1000)]

    (short,) = await search(service, max_characters=40)
    (usual,) = await search(service)

    assert len(short.snippet) == 40
    assert len(usual.snippet) == 1000


@only(Exa)
async def test_the_length_of_a_snippet_is_asked_of_exa(service: Service) -> None:
    await search(service, max_characters=40)

    assert service.asked.body["contents"] == {"highlights": {"maxCharacters": 40}}


@only(Exa)
async def test_the_excerpts_of_exa_are_told_apart(service: Service) -> None:
    reply = service.reply([page(1), page(2)])
    reply["results"][0]["highlights"] = ["High water.", None, "Low water."]
    reply["results"][1]["highlights"] = None
    service.answer = Answer(json.dumps(reply))

    hits = await search(service)

    assert [hit.snippet for hit in hits] == ["High water. …  … Low water.", ""]


async def test_excluded_domains_go_to_the_service_and_are_applied_to_its_results_again(service: Service) -> None:
    service.hits = [page(1, "bad.example"), page(2, "deep.bad.example"), page(3), page(4), page(5)]
    rules = DomainRules(excluded=("bad.example", "example.org/4"))

    hits = await search(service, max_results=2, excluded_domains=rules.excluded)

    assert hits == [page(3), page(5)]
    service.check_request("tides", most=4, allowed=(), excluded=rules.excluded)
    assert len((await use(service, rules)).artifact["sources"]) == 2


async def test_allowed_domains_go_to_the_service_and_are_applied_to_its_results_again(service: Service) -> None:
    service.hits = [page(1, "bad.example"), page(2, "good.example"), page(3), page(4, "deep.good.example")]
    rules = DomainRules(allowed=(("good.example", "example.net/tides"),))

    hits = await search(service, max_results=25, allowed_domains=rules.narrowest)

    assert hits == [page(2, "good.example"), page(4, "deep.good.example")]
    service.check_request("tides", most=25, allowed=rules.narrowest, excluded=())
    assert len((await use(service, rules)).artifact["sources"]) == 2


async def test_allowed_and_excluded_domains_hold_together(service: Service) -> None:
    service.hits = [page(1, "good.example"), page(2, "bad.good.example"), page(3, "bad.example")]
    rules = DomainRules(allowed=(("good.example",),), excluded=("bad.good.example",))

    hits = await search(service, allowed_domains=rules.narrowest, excluded_domains=rules.excluded)

    assert hits == [page(1, "good.example")]
    service.check_request("tides", most=10, allowed=rules.narrowest, excluded=rules.excluded)


@only(Searxng)
async def test_searxng_is_not_sent_more_sites_than_its_engines_take(service: Service) -> None:
    await search(service, excluded_domains=tuple(f"{number}.example" for number in range(20)))

    assert service.asked.parameters["q"].count("-site:") == 8


@only(*KEYED)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_named_by_its_variable(service: Service, status: int) -> None:
    service.answer = service.error(status, f"Unauthorized: {KEY}")

    said = await failure(service.backend())

    expected = f"{service.name} refused the key in {service.variable} (HTTP {status}). Answer without search."
    assert said == expected


@only(*KEYED)
async def test_an_account_without_credits_is_told(service: Service) -> None:
    for status in service.out_of_credits:
        service.answer = service.error(status, "This request exceeds your plan's set usage limit.")

        said = await failure(service.backend())

        assert said.startswith(f"{service.name} has no credits left, or its plan allows no more (HTTP {status}).")
        assert said.endswith("Answer without search.")


@only(Searxng)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_searxng_that_refuses_is_most_likely_without_json(service: Service, status: int) -> None:
    service.answer = service.error(status, "You don't have the permission to access the requested resource.")

    said = await failure(service.backend())

    assert "settings.yml does not list json under search.formats" in said
    assert said.endswith("Answer without search.")


@only(Searxng)
async def test_a_searxng_whose_engines_are_all_silent_has_not_searched(service: Service) -> None:
    reply = service.reply([])
    reply["unresponsive_engines"] = [["brave", "Suspended: too many requests"], ["google", "CAPTCHA"]]
    service.answer = Answer(json.dumps(reply))

    said = await failure(service.backend())

    assert "these of its engines did not answer: brave, google." in said


@only(Searxng)
async def test_a_searxng_with_a_silent_engine_still_finds(service: Service) -> None:
    reply = service.reply([page(1)])
    reply["unresponsive_engines"] = [["google", "CAPTCHA"]]
    service.answer = Answer(json.dumps(reply))

    assert await search(service) == [page(1)]


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, "for 7 s"),
        ({}, "for now"),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, "for now"),
        ({"Retry-After": "9" * 12}, "for now"),
    ],
)
async def test_a_rate_limit_is_told_with_its_end(service: Service, headers: dict[str, str], wait: str) -> None:
    limited = service.error(429, f"Too many requests with {KEY}")
    service.answer = Answer(limited.body, limited.status, headers)

    said = await failure(service.backend())

    assert said.startswith(f"{service.name} takes no more searches {wait}.")
    assert len(service.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_fault_of_the_service_is_worth_one_more_try(service: Service, status: int) -> None:
    service.answer = service.error(status, f"Internal error at {KEY}")

    said = await failure(service.backend())

    assert said == f"{service.name} has a fault of its own (HTTP {status}). Try again once, else answer without search."


@pytest.mark.parametrize("status", [204, 302, 404])
async def test_any_other_status_is_no_result(service: Service, status: int) -> None:
    service.answer = Answer("", status, {"Location": "https://example.org/"})

    said = await failure(service.backend())

    assert said == f"{service.name} answered with HTTP {status} instead of results. Answer without search."


@pytest.mark.parametrize("status", [400, 422])
async def test_what_a_service_does_not_accept_is_told_in_its_words(service: Service, status: int) -> None:
    key = KEY if service.variable else ""
    service.answer = service.error(status, f"Query is too long.\u200b Key: {key}. {'more ' * 200}")

    said = await failure(service.backend())

    assert said.startswith(f"{service.name} does not accept this search: ")
    assert "Query is too long." in said
    assert said.endswith("Ask in fewer or other words.")
    assert len(said) < 400
    assert "\u200b" not in said


@pytest.mark.parametrize(
    "body",
    [
        "",
        HTML,
        '{"results": [{"url": "https://exam',
        "[]",
        "null",
        '"results"',
        "{}",
        '{"detail": "moved"}',
        '{"results": null}',
        '{"results": 3}',
        '{"results": {"url": "https://example.org/"}}',
    ],
)
async def test_a_body_that_is_no_list_of_results_is_told(service: Service, body: str) -> None:
    service.answer = Answer(body)

    said = await failure(service.backend())

    expected = f"{service.name} sent something else than results. Try again once, else answer without search."
    assert said == expected


async def test_a_connection_that_breaks_off_is_told(service: Service) -> None:
    service.answer = Answer('{"results": [', cut=True)

    said = await failure(service.backend())

    assert said == f"{service.name} cannot be reached (RemoteProtocolError). Answer without search."


async def test_a_slow_service_is_not_waited_for(service: Service) -> None:
    await search(service)  # imports the client
    service.answer = Answer(json.dumps(service.reply([])), slow=30)

    said = await failure(service.backend(timeout_seconds=0.3))

    assert said == f"{service.name} took over 0.3 s. Try again with fewer words."


async def test_a_service_that_is_not_there_is_told(service: Service) -> None:
    service.port = unused_port()

    said = await failure(service.backend())

    assert said == f"{service.name} cannot be reached (ConnectError). Answer without search."


@only(Exa, Searxng)
async def test_a_query_that_cannot_be_sent_is_told(service: Service) -> None:
    said = await failure(service.backend(), query="tides \ud83d")

    assert "the query or the key has characters that cannot be sent" in said
    assert service.requests == []


@only(*KEYED)
@pytest.mark.parametrize("key", [f"\u201c{KEY}\u201d", f"{KEY}\n{KEY}"])
async def test_a_key_that_cannot_be_sent_is_told_and_not_shown(service: Service, key: str) -> None:
    said = await failure(service.backend(key=key))

    assert "the query or the key has characters that cannot be sent" in said
    assert service.requests == []


@only(*KEYED)
async def test_space_around_a_key_is_not_part_of_it(service: Service) -> None:
    await service.backend(key=f" {KEY}\n").search(SearchRequest(query="tides"))

    service.check_request("tides", most=5, allowed=(), excluded=())


@pytest.mark.parametrize("kind", [ExaSearch, TavilySearch])
async def test_a_backend_does_not_show_its_key(kind: type[ExaSearch | TavilySearch]) -> None:
    backend = kind(KEY)

    assert KEY not in repr(backend)
    assert KEY not in repr(backend._service)


async def test_an_address_that_is_none_is_told() -> None:
    assert "cannot be reached" in await failure(SearxngSearch("http://[::1"))
    assert "cannot be reached" in await failure(SearxngSearch("searx.example"))


@only(Searxng)
async def test_searxng_is_asked_directly_and_keeps_no_cookie(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    backend = service.backend()

    for _ in range(2):
        await backend.search(SearchRequest(query="tides"))

    assert len(service.requests) == 2
    assert all("cookie" not in asked.headers for asked in service.requests)


async def test_one_backend_serves_searches_at_the_same_time_and_of_several_loops(service: Service) -> None:
    service.hits = [page(1)]
    backend = service.backend()
    request = SearchRequest(query="tides")

    together = await asyncio.gather(*(backend.search(request) for _ in range(3)))
    elsewhere = await asyncio.to_thread(lambda: asyncio.run(backend.search(request)))

    assert [*together, elsewhere] == [[page(1)]] * 4


@pytest.mark.parametrize(
    ("package", "backend", "extra"),
    [("exa_py", ExaSearch(KEY), "exa"), ("tavily", TavilySearch(KEY), "tavily")],
)
async def test_a_missing_package_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, package: str, backend: SearchBackend, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)

    said = await failure(backend)

    assert f"pip install 'fusion-graph[{extra}]'" in said


def test_whether_a_package_is_installed_can_be_asked() -> None:
    assert exa.is_installed()
    assert tavily.is_installed()


async def test_a_client_that_is_slow_to_import_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(builtins, "search_gate", gate, raising=False)
    (tmp_path / "slow_search_client.py").write_text("goes_on = search_gate.wait(20)\n")
    monkeypatch.syspath_prepend(tmp_path)
    task = asyncio.create_task(imported("slow_search_client", "pip install it"))

    await asyncio.sleep(0.01)
    gate.set()  # which nobody could do while the import held up the event loop

    assert (await task).goes_on
