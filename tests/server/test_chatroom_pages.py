"""The page over HTTP: its files, what a browser may do with them, and who gets them."""

import gzip
import http.client
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

import fusion_graph.server.chatroom
from fusion_graph.deployment import Parts
from fusion_graph.server.app import make_app
from fusion_graph.server.config import ServerConfig
from tests.graphs import scripted
from tests.server.conftest import Serve, serving

KEY = "a-key-that-nobody-guesses"
STATIC = Path(fusion_graph.server.chatroom.__file__).with_name("static")
FILES = sorted(path.name for path in STATIC.iterdir())
TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'none'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types fusion"
)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without keys."""
    config = ServerConfig(tmp_path_factory.mktemp("page") / "runs.db")
    with serving(make_app(config, Parts.real(load_model=scripted(), tools=[]))) as url:
        yield url


def get(url: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{url}{path}", headers={name.replace("_", "-"): value for name, value in headers.items()})


def as_sent(url: str, path: str) -> tuple[int, bytes]:
    """Return status and body for a path that no client has tidied up."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("GET", path)
    connection.endheaders()
    response = connection.getresponse()
    told = response.status, response.read()
    connection.close()
    return told


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/resp_0190", "/runs/anything?q=1"])
def test_the_page_is_at_each_of_its_addresses(url: str, path: str) -> None:
    response = get(url, path)

    assert response.status_code == 200
    assert response.headers["content-type"] == TYPES["html"]
    assert response.content == (STATIC / "index.html").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_as_what_it_is(url: str, name: str) -> None:
    response = get(url, f"/chatroom/{name}")

    assert response.headers["content-type"] == TYPES[name.rpartition(".")[2]]
    assert response.content == (STATIC / name).read_bytes()


def test_what_the_page_names_is_there(url: str) -> None:
    wanted, known = [*re.findall(r'(?:src|href)="(/chatroom/[^"]+)"', get(url, "/").text)], set()
    while wanted:
        known.add(path := wanted.pop())
        response = get(url, path)
        assert response.status_code == 200, path
        names = re.findall(r'(?:\bfrom|\bimport\(?)\s*"\./([^"]+)"', response.text)
        wanted += {f"/chatroom/{name}" for name in names} - known

    assert {path.rpartition("/")[2] for path in known} | {"index.html"} == set(FILES)


@pytest.mark.parametrize("path", ["/", "/runs/x", "/chatroom/index.html", "/chatroom/icon.svg"])
def test_a_browser_is_told_to_load_and_run_nothing_else(url: str, path: str) -> None:
    headers = get(url, path).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert {"camera=()", "microphone=()", "geolocation=()"} <= set(headers["permissions-policy"].split(", "))


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_what_a_browser_has_is_not_sent_again(url: str, encoding: str) -> None:
    first = get(url, "/", accept_encoding=encoding)
    tag = first.headers["etag"]

    again = [
        get(url, "/", accept_encoding=encoding, if_none_match=known) for known in (tag, f"W/{tag}", f'"other", {tag}')
    ]
    changed = get(url, "/", accept_encoding=encoding, if_none_match='"other"')

    assert first.headers["cache-control"] == "no-cache"
    assert [(response.status_code, response.content) for response in again] == [(304, b"")] * 3
    assert {response.headers["etag"] for response in again} == {tag}
    assert "content-security-policy" in again[0].headers
    assert (changed.status_code, changed.content) == (200, first.content)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, GZIP;q=0.5", "gzip"),
        ("gzip;q=0, identity", None),
        ("gzip ; q=0.000", None),
        ("br", None),
        ("identity", None),
    ],
)
def test_files_are_packed_for_who_takes_them_so(url: str, accepted: str, encoding: str | None) -> None:
    with httpx.stream("GET", f"{url}/chatroom/app.js", headers={"accept-encoding": accepted}) as response:
        sent = b"".join(response.iter_raw())

    assert response.headers.get("content-encoding") == encoding
    assert response.headers["vary"] == "accept-encoding"
    assert (gzip.decompress(sent) if encoding else sent) == (STATIC / "app.js").read_bytes()
    assert int(response.headers["content-length"]) == len(sent)


def test_the_two_ways_of_packing_have_two_tags(url: str) -> None:
    tags = {get(url, "/", accept_encoding=encoding).headers["etag"] for encoding in ("gzip", "identity")}

    assert len(tags) == 2


def test_heads_alone_are_given_too(url: str) -> None:
    response = httpx.head(f"{url}/runs")

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-type"] == TYPES["html"]


def test_the_page_needs_no_key_and_what_it_asks_for_does(serve: Serve) -> None:
    url = serve(keys=[KEY]).url

    assert [get(url, path).status_code for path in ("/", "/runs/x", "/chatroom/app.js")] == [200, 200, 200]
    assert get(url, "/v1/models").status_code == 401


@pytest.mark.parametrize("path", ["/", "/runs", "/chatroom/app.js"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_strangers_do_not_get_it(url: str, path: str, headers: dict[str, str]) -> None:
    response = get(url, path, **headers)

    assert response.status_code == 403
    assert response.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize(
    "path",
    [
        "/chatroom/nothing.js",
        "/chatroom/__init__.py",
        "/chatroom/files.py",
        "/chatroom/static",
        "/chatroom/static/index.html",
        "/chatroom/",
        "/chatroom",
        "/chatroom/../app.py",
        "/chatroom/../../errors.py",
        "/chatroom/..%2f__init__.py",
        "/chatroom/%2e%2e/app.py",
        "/chatroom/%2e%2e%2fapp.py",
        "/chatroom/..%5capp.py",
        "/chatroom/index.html%00",
        "/chatroom/%2fetc%2fpasswd",
        "/chatroom//etc/passwd",
        "/index.html",
        "/runs/x/y",
        "/docs",
        "/redoc",
    ],
)
def test_there_is_nothing_else(url: str, path: str) -> None:
    status, body = as_sent(url, path)

    assert status == 404
    assert httpx.Response(status, content=body).json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_sent_there(url: str, method: str) -> None:
    response = httpx.request(method, f"{url}/runs")

    assert response.status_code == 405
    assert response.json()["error"]["code"] == 405


def test_the_page_is_no_part_of_the_api(url: str) -> None:
    paths = get(url, "/openapi.json").json()["paths"]

    assert not [
        path for path in paths if not path.startswith("/v1/") and path not in {"/healthz", "/readyz", "/metrics"}
    ]
