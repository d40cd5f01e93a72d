"""Documents to serve: PDF files written by hand, compressed ones, and an article with something in it."""

import gzip
import zlib
from collections.abc import Sequence

# Long enough for an extractor of main text to see an article in it.
_ARTICLE = """\
High water comes twice a day on this coast, and each day about fifty minutes later than on the day before, \
because the moon has moved on along its orbit while the earth turned once below it.
Around new and full moon the sun pulls in line with the moon; the range between high and low water is then \
largest, and sailors speak of spring tides. A week later the two pull at right angles, and neaps follow.
The harbour keeps a gauge on the northern pier. Its readings have been printed every year since 1871, and the \
tables made from them are good to a hand's breadth in calm weather, as the pilots here like to say.""".splitlines()
WORDS = "Around new and full moon"


def article(inside: str = "", *, head: str = "", canonical: str = "") -> str:
    """Return an HTML page about tides with `inside` in the middle of its text."""
    link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
    before, *after = (f"<p>{text}</p>" for text in _ARTICLE)
    body = f"<article><h1>Tides</h1>{before}{inside}{''.join(after)}</article>"
    return f"<!doctype html><html><head><title>Tides</title>{link}{head}</head><body>{body}</body></html>"


def numbers(size: int) -> bytes:
    """Return text of `size` bytes that gzip makes about four times smaller."""
    lines = b"".join(b"%d\n" % (number) for number in range(size // 6))
    return lines[:size].rjust(size, b"x")


def zipped(data: bytes, *, level: int = 9) -> bytes:
    return gzip.compress(data, level, mtime=0)


def bomb(size: int, letter: bytes = b"x") -> bytes:
    """Return `size` letters in gzip's form, about a thousand times smaller, without ever holding them."""
    packer, piece = zlib.compressobj(9, wbits=31), letter * 1_000_000
    parts = [packer.compress(piece) for _ in range(size // len(piece))]
    return b"".join([*parts, packer.compress(letter * (size % len(piece))), packer.flush()])


def laughs(levels: int = 9) -> str:
    """Return an XML document that would be ten to the power of `levels` words long, were its entities expanded."""
    entities = [f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels + 1)]
    return f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "expanded">{"".join(entities)}]><a>tides &e{levels};</a>'


def pdf(*pages: str, padding: int = 0, encrypted: bool = False, looped: bool = False) -> bytes:
    """Return a PDF file with these pages of text, `padding` bytes larger than it must be."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    kids, count = (f"{kids} 2 0 R", 100_000) if looped else (kids, len(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        shown = " ".join(f"({line}) Tj T*" for line in text.split("\n"))
        content = f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET".encode() if text else b""
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R"
        objects += [f"{page} /Resources << /Font << /F1 3 0 R >> >> >>".encode(), _stream(content)]
    if padding:
        objects.append(_stream(b"0" * padding))
    return _written(objects, encrypted=encrypted)


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _written(objects: Sequence[bytes], *, encrypted: bool) -> bytes:
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    rows = b"".join(b"%010d 00000 n \n" % place for place in places)
    key = b"0" * 64  # nobody's: a reader can only ask for the password
    lock = b" /Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >> /ID [<00> <00>]" % (key, key)
    trailer = b"trailer << /Size %d /Root 1 0 R%s >>" % (len(objects) + 1, lock if encrypted else b"")
    size = len(objects) + 1
    return bytes(out) + b"xref\n0 %d\n0000000000 65535 f \n%s%s\nstartxref\n%d\n%%%%EOF\n" % (
        size,
        rows,
        trailer,
        len(out),
    )
