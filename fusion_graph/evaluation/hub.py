"""DRACO's file from the hub that publishes it, read once and kept by its hash. It is in no package: panels would find it."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from fusion_graph.environment import ENVIRON
from fusion_graph.errors import FusionError, redact
from fusion_graph.folders import home

if TYPE_CHECKING:
    import httpx

# What the published scores were measured with.
REVISION = "ce076749809027649ebd331bcb70f42bf720d387"
SHA256 = "e35bfe78cd827fa1d541b79fbc7bc7b91966d3227d8742c83e99d26d4ac4679a"
_HUB = "https://huggingface.co"
_SECONDS = 30.0  # for the connection, and between two parts of the file, which is under 1 MB
_MAX_BYTES = 64 * 2**20
_UNAUTHORIZED, _MISSING = {401, 403}, 404
_BY_HAND = (
    "download test.jsonl of the data set perplexity-ai/draco where there is a network, and give its path in place of "
    "`draco`; HF_ENDPOINT names a mirror of the hub"
)


def hub_url(revision: str, environ: Mapping[str, str] = ENVIRON) -> str:
    """Return where a revision of the file is: on the hub, or on the mirror in HF_ENDPOINT."""
    hub = environ.get("HF_ENDPOINT", "").strip().rstrip("/") or _HUB
    return f"{hub}/datasets/perplexity-ai/draco/resolve/{quote(revision, safe='')}/test.jsonl"


def download(url: str, environ: Mapping[str, str] = ENVIRON) -> bytes:
    """Return the file at `url`; HF_TOKEN goes along if it is set, though to no other host that the hub redirects to.

    Raises:
        FusionError: the hub was not reached, or did not give it.
    """
    import httpx  # noqa: PLC0415 - a third of a second, and most commands download nothing

    token = environ.get("HF_TOKEN", "").strip()
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=True) as client:
            return _get(client, url, token)
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError):  # may quote the token
        message = f"{url} cannot be asked: HF_ENDPOINT or HF_TOKEN holds what no request may"
        raise _failed(message, "HF_ENDPOINT is a URL of http or https; check both variables") from None
    except httpx.HTTPError as error:
        raise _failed(f"{url} could not be read: {str(error) or type(error).__name__}", _BY_HAND) from error


def read_kept(sha256: str, environ: Mapping[str, str] = ENVIRON) -> bytes | None:
    """Return the file of this hash, if it was kept and is whole."""
    try:
        content = _kept(sha256, environ).read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def keep(content: bytes, sha256: str, environ: Mapping[str, str] = ENVIRON) -> None:
    """Keep a file by its hash; where nothing can be written, it is downloaded again the next time."""
    path = _kept(sha256, environ)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def _kept(sha256: str, environ: Mapping[str, str]) -> Path:
    return home("cache", environ) / "datasets" / f"{sha256}.jsonl"


def _get(client: "httpx.Client", url: str, token: str) -> bytes:
    body = bytearray()
    with client.stream("GET", url, headers={"Authorization": f"Bearer {token}"} if token else {}) as reply:
        if not reply.is_success:
            raise _refusal(url, reply.status_code, sent_token=bool(token))
        for part in reply.iter_bytes():
            body += part
            if len(body) > _MAX_BYTES:
                raise _failed(f"{url} sends more than {_MAX_BYTES >> 20} MiB: this is not the data set", _BY_HAND)
    return bytes(body)


def _refusal(url: str, status: int, *, sent_token: bool) -> FusionError:
    if status in _UNAUTHORIZED:
        hint = "check HF_TOKEN: it may be mistyped, revoked, or for another hub" if sent_token else "set HF_TOKEN"
        return _failed(f"{url} may not be read (HTTP {status})", hint)
    if status == _MISSING:
        return _failed(
            f"{url} does not exist (HTTP 404)", f"check the revision, and HF_ENDPOINT if it is set; or {_BY_HAND}"
        )
    return _failed(f"{url} answered with HTTP status {status}", f"try again in a minute; or {_BY_HAND}")


def _failed(message: str, hint: str) -> FusionError:
    return FusionError(redact(message), hint=hint)
