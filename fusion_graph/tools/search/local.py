"""Search over a folder of documents: BM25 by bm25s, the same ranking every time."""

import asyncio
import logging
import re
import threading
import unicodedata
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from fusion_graph.tools.search.corpus import Corpus, Document, Snapshot
from fusion_graph.tools.search.tool import Hit, SearchRequest
from fusion_graph.urls import refusal_reason

_SNIPPET = 300  # characters, if nothing else is asked for
_MAX_MATCHES = 2000  # in one document that a snippet is chosen among
# A word, or one character of a script that writes without spaces.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


class LocalSearch:
    """A search backend over the documents below `root`, indexed on first use and again when a file changed."""

    def __init__(self, root: Path) -> None:
        self.corpus = Corpus(root)
        self._lock = threading.Lock()
        self._index: _Index | None = None

    @property
    def skipped(self) -> int:
        """Return how many files could not be read, as of now. Blocks while the folder is read."""
        return self.corpus.snapshot().skipped

    async def search(self, request: SearchRequest) -> list[Hit]:
        """Return the best matches, ties in the order of their paths. See `SearchBackend`."""

        def run() -> list[Hit]:
            terms = _terms(request.query)
            rules = {"allowed": request.allowed_domains, "excluded": request.excluded_domains}
            ranked = self._current().rank(terms)
            fit = (document for document in ranked if refusal_reason(document.url, **rules) is None)
            most = request.max_characters or _SNIPPET
            return [_hit(document, terms, most) for document in islice(fit, request.max_results)]

        return await asyncio.to_thread(run)

    def _current(self) -> "_Index":
        with self._lock:
            snapshot = self.corpus.snapshot()
            if self._index is None or self._index.snapshot is not snapshot:
                self._index = _Index(snapshot)
            return self._index


class _Index:
    def __init__(self, snapshot: Snapshot) -> None:
        bm25s = _bm25s()
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG, which others' handlers would print
        self.snapshot = snapshot
        self._bm25 = bm25s.BM25()
        self._vocabulary: set[str] = set()
        if snapshot.documents:
            texts = [_tokens(f"{document.title}\n{document.text}") for document in snapshot.documents]
            self._bm25.index([tokens or [""] for tokens in texts], show_progress=False)  # it tells types by the first
            self._vocabulary.update(*texts)

    def rank(self, terms: set[str]) -> Iterator[Document]:
        """Yield the documents that contain a term, best first."""
        known = sorted(terms & self._vocabulary)
        if not known:
            return
        scores = self._bm25.get_scores(known)
        for place in sorted(range(len(scores)), key=lambda place: -scores[place]):  # stable: ties stay in order
            if scores[place] > 0:
                yield self.snapshot.documents[place]


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def _terms(query: str) -> set[str]:
    tokens = set(_tokens(query))
    return tokens - set(_bm25s().stopwords.STOPWORDS_EN) or tokens


def _bm25s() -> Any:
    """Import bm25s, which takes 0.4 s with numpy, for those who search a folder."""
    with warnings.catch_warnings():  # in a notebook without widgets it warns of progress bars, which we do not use
        warnings.filterwarnings("ignore", message="IProgress not found")
        import bm25s.stopwords  # noqa: PLC0415

    return bm25s


def _hit(document: Document, terms: set[str], most: int) -> Hit:
    return Hit(document.url, document.title, _snippet(document.text, terms, most), document.published)


def _snippet(text: str, terms: set[str], most: int) -> str:
    """Return about `most` characters of the text, where the most different terms stand close together."""
    places = list(islice(_matches(text, terms), _MAX_MATCHES))
    best = max(range(len(places)), key=lambda first: (_variety(places, first, most), -first), default=None)
    start = 0 if best is None else max(0, places[best][0] - most // 4)
    cut = text[start : start + most]
    if start:
        cut = "… " + re.sub(r"^\S{0,20}\s", "", cut)  # not the end of a word
    if start + most < len(text):
        cut = re.sub(r"\s\S{0,20}$", "", cut) + " …"
    return " ".join(cut.split())


def _matches(text: str, terms: set[str]) -> Iterator[tuple[int, str]]:
    for token in _TOKEN.finditer(text):
        if (word := token[0].casefold()) in terms:
            yield token.start(), word


def _variety(places: list[tuple[int, str]], first: int, most: int) -> int:
    end = bisect_left(places, (places[first][0] + most * 3 // 4, ""))
    return len({word for _, word in places[first:end]})
