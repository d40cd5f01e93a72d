"""Sockets used as no client would: the server goes on serving others, and what it answers itself has the shape of errors."""

import json
import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from fusion_graph.models.scripted import ScriptedReply, ScriptedRequest
from fusion_graph.server.access import guard
from tests.server.conftest import Serve, Served, judge_and_writer

SECONDS = 20.0  # until a test gives up; no test waits for them
MANY = 200
PROTOCOLS = {
    "h11": "uvicorn.protocols.http.h11_impl:H11Protocol",
    "httptools": "uvicorn.protocols.http.httptools_impl:HttpToolsProtocol",
}
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
POSTS = (POST, b"POST /v1/responses HTTP/1.1\r\nHost: localhost\r\n")
SPOKEN = [{"role": "user", "content": "What?"}]
BODY = json.dumps({"model": "judge", "messages": SPOKEN, "input": SPOKEN}).encode()
END = b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY


@pytest.fixture(params=list(PROTOCOLS))
def either(request: pytest.FixtureRequest, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A server that reads HTTP with either of uvicorn's parsers: which one it has depends on what is installed."""
    monkeypatch.setitem(uvicorn.config.HTTP_PROTOCOLS, "auto", PROTOCOLS[request.param])
    return serve(judge=long_winded)


def long_winded(request: ScriptedRequest) -> Any:
    """Write more than any buffer between two sockets holds, if asked to; else do as the others do."""
    if "at length" in request.text:
        return ScriptedReply("The answer is 1. " * 5_000)
    return judge_and_writer(request)


@contextmanager
def connected(served: Served, sent: bytes = b"") -> Iterator[socket.socket]:
    host, port = served.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(SECONDS)
        connection.connect((host, int(port)))
        connection.sendall(sent)
        yield connection


def told(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


def answer_to(served: Served, sent: bytes, *, is_whole: bool) -> tuple[int, bytes, bytes]:
    """Return status, head and body of the first answer to what is sent; 0 for none. What is not whole is broken off."""
    with connected(served) as connection:
        with suppress(OSError):  # it may be refused before it is all sent
            connection.sendall(sent)
            if not is_whole:
                connection.shutdown(socket.SHUT_WR)
        head, _, body = told(connection).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]) if head else 0, head.lower(), body


def is_shaped(head: bytes, body: bytes) -> bool:
    """Say whether an error is in the shape of errors; uvicorn's own, of what it could not read as HTTP, are plain text."""
    if b"content-type: text/plain" in head:
        return b"Invalid HTTP request received." in body
    length = re.search(rb"content-length: (\d+)", head)
    return length is not None and isinstance(json.loads(body[: int(length[1])])["error"]["code"], int)


def serves(served: Served) -> bool:
    return served.post({"model": "judge", "plugins": None, "messages": [{"role": "user", "content": "Q"}]}).is_success


def test_many_half_open_connections_keep_nobody_else_waiting(either: Served) -> None:
    for sent in (b"", b"GET /v1/mod", POST, POST + b"Content-Length: 500\r\n\r\n{"):
        with ExitStack() as stack:
            for _ in range(MANY):
                stack.enter_context(connected(either, sent))
            assert serves(either), sent
        assert serves(either), sent


def test_a_body_that_comes_byte_by_byte_is_cut_short(either: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)

    with connected(either, POST + b"Content-Length: 500000\r\n\r\n") as connection:
        connection.settimeout(0.01)
        got = b""
        while not got:
            connection.sendall(b" ")
            try:
                got = connection.recv(65536)
            except TimeoutError:
                continue

    assert got.startswith(b"HTTP/1.1 408")
    assert b'"code": 408' in got
    assert serves(either)


BAD: dict[str, tuple[bytes, set[int]]] = {
    "chunk size": (POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", {0, 400}),
    "chunk size, negative": (POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n", {0, 400}),
    "chunk size, huge": (POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}", {0, 400}),
    "chunk without end": (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{", {0, 400}),
    "chunks that are no JSON": (
        POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{\r\n0\r\n\r\n",
        {400},
    ),
    "negative length": (POST + b"Content-Length: -5\r\n\r\n{}", {0, 400}),
    "length in words": (POST + b"Content-Length: five\r\n\r\n{}", {0, 400}),
    "hexadecimal length": (POST + b"Content-Length: 0x5\r\n\r\n{}", {0, 400}),
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {0, 400}),
    "huge length": (POST + b"Connection: close\r\nContent-Length: 99999999999\r\n\r\n{}", {413}),
    "huger length": (POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}", {0, 400, 413}),
    "length and chunks": (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {0, 400}),
    "unknown coding": (POST + b"Transfer-Encoding: gzip, identity\r\n\r\n{}", {0, 400, 501}),
    "long header": (POST + b"X: " + b"b" * 200_000 + b"\r\n\r\n", {0, 400, 431}),
    "many headers": (POST + b"X: y\r\n" * 20_000 + b"\r\n", {0, 400, 431}),
    "header without colon": (POST + b"nonsense\r\n\r\n", {0, 400}),
    "header with a zero": (POST + b"X: a\x00b\r\n\r\n", {0, 400}),
    "space before colon": (POST + b"Content-Length : 5\r\n\r\n{}", {0, 400}),
    "folded header": (POST + b"X: a\r\n b\r\nConnection: close\r\n\r\n", {0, 400}),
    "no host": (b"GET /v1/models HTTP/1.0\r\n\r\n", {0, 400, 403}),
    "two hosts": (b"GET /v1/models HTTP/1.1\r\nHost: a\r\nHost: localhost\r\nConnection: close\r\n\r\n", {0, 400, 403}),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {0, 400, 403}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 500, {0, 400}),
    "a proxy's request": (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", {0, 400, 403, 404}),
    "an upgrade": (POST + b"Connection: upgrade, close\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}", {400}),
}


def test_what_is_no_proper_request_is_refused_and_others_are_served(either: Served) -> None:
    for case, (sent, statuses) in BAD.items():
        status, head, body = answer_to(either, sent, is_whole=0 not in statuses)

        assert status in statuses, (case, head, body)
        assert not status or is_shaped(head, body), (case, head, body)
    assert either.models.requests == []
    assert serves(either)


def test_requests_in_one_packet_are_answered_in_their_order(either: Served) -> None:
    get = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    sent = get % (b"healthz", b"") + get % (b"nowhere", b"") + get % (b"v1/models/fusion", b"Connection: close\r\n")

    with connected(either, sent) as connection:
        got = told(connection)

    assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"404", b"200"]
    assert got.index(b'"ok"') < got.index(b"not_found_error") < got.index(b'"id":"fusion"')


def test_a_client_that_asks_whether_to_go_on_is_told(either: Served) -> None:
    expects = POST + b"Connection: close\r\nExpect: 100-continue\r\n"
    with connected(either, expects + b"Content-Length: %d\r\n\r\n" % len(BODY)) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(BODY)
        answered = told(connection)
    with connected(either, expects + b"Content-Length: 99999999\r\n\r\n") as connection:
        refused = told(connection)

    assert answered.startswith(b"HTTP/1.1 200")
    assert refused.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("post", POSTS)
def test_a_client_that_never_reads_its_stream_holds_up_nobody_else(either: Served, post: bytes) -> None:
    spoken = [{"role": "user", "content": "at length"}]
    body = json.dumps({"model": "judge", "stream": True, "messages": spoken, "input": spoken}).encode()
    with ExitStack() as stack:
        for number in range(2):
            # Each has its own body: equal ones would share a run.
            request = (
                post
                + b"X-Number: %d\r\nContent-Length: %d\r\n\r\n" % (number, len(body) + number)
                + body
                + b" " * number
            )
            silent = stack.enter_context(connected(either, request))
            assert silent.recv(16)
        assert serves(either)
    assert serves(either)


@pytest.mark.parametrize("post", POSTS)
def test_a_request_that_breaks_off_anywhere_leaves_the_server_serving(either: Served, post: bytes) -> None:
    whole = post + END
    for place in range(0, len(whole), 7):
        with connected(either, whole[:place]):
            pass
    with connected(either, whole) as connection:
        assert told(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("post", POSTS)
def test_any_bytes_at_all_leave_the_server_serving(either: Served, post: bytes) -> None:
    chance = random.Random(1)  # noqa: S311 -- the same bytes each time
    for _ in range(100):
        request = bytearray(post + END)
        for place in chance.sample(range(len(request)), chance.randint(1, 8)):
            request[place] = chance.randrange(256)
        status, head, body = answer_to(either, bytes(request), is_whole=False)
        assert status < 500, (request, head, body)
        assert status < 400 or is_shaped(head, body), (request, head, body)
    assert serves(either)
