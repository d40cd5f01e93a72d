"""The files of the page, read once, and the headers that keep a browser from loading or running anything else."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import Request
from starlette.responses import Response

_FOLDER = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "fusion",
}
_CLOSED = (
    "accelerometer autoplay camera display-capture encrypted-media fullscreen geolocation gyroscope magnetometer microphone "
    "midi payment picture-in-picture publickey-credentials-get screen-wake-lock usb xr-spatial-tracking"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _CLOSED.split()),
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file: its bytes, plain and packed, and what they are known by."""

    kind: str
    plain: bytes
    packed: bytes
    digest: str

    def answer(self, request: Request) -> Response:
        """Return the file, or that it has not changed."""
        is_packed = _takes_gzip(request.headers.get("accept-encoding", ""))
        tag = f'"{self.digest}{"-gzip" if is_packed else ""}"'
        headers = _HEADERS | {"etag": tag, "content-type": self.kind}
        known = re.findall(r'"[^"]*"', request.headers.get("if-none-match", ""))
        if tag in known:
            return Response(status_code=304, headers=headers)
        if is_packed:
            return Response(self.packed, headers=headers | {"content-encoding": "gzip"})
        return Response(self.plain, headers=headers)


def read_files() -> dict[str, PageFile]:
    """Return the files of the page by their names."""
    return {path.name: _read(path) for path in _FOLDER.iterdir() if path.suffix in _TYPES}


def _read(path: Path) -> PageFile:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:32]
    return PageFile(_TYPES[path.suffix], content, gzip.compress(content, mtime=0), digest)


def _takes_gzip(accepted: str) -> bool:
    for entry in accepted.lower().split(","):
        name, _, quality = entry.partition(";")
        if name.strip() == "gzip":
            return not re.fullmatch(r"\s*q\s*=\s*0(?:\.0*)?\s*", quality)
    return False
