"""Chat completions of the SDK's client, with answers as plain data.

The SDK builds pydantic models of them, one for each chunk of a stream, which takes more than all else it does with a
stream; LangChain then turns them back into the same plain data. And where text comes faster than it is taken, what has
come meanwhile is one chunk: each costs the same on its way to a reader, however short it is.
"""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import openai

_RAW = {"X-Stainless-Raw-Response": "true"}  # what the SDK's own `with_raw_response` says
_TEXT = frozenset({"role", "content"})


class PlainCompletions:
    """Stand for the asynchronous `client.chat.completions`, as far as `ChatOpenAI` uses it."""

    def __init__(self, client: openai.AsyncOpenAI, *, is_raw: bool = False) -> None:
        self._client = client
        self._is_raw = is_raw

    @property
    def with_raw_response(self) -> "PlainCompletions":
        """The same, with responses whose `parse()` returns the data."""
        return PlainCompletions(self._client, is_raw=True)

    async def create(
        self,
        *,
        stream: bool = False,
        extra_headers: dict[str, str] | None = None,
        extra_query: dict[str, Any] | None = None,
        extra_body: dict[str, Any] | None = None,
        **body: Any,
    ) -> Any:
        """Return a completion as data, or a stream of such data. Raises openai.APIError."""
        options: Any = {
            "headers": {**(extra_headers or {}), **(_RAW if self._is_raw else {})},
            "params": extra_query or {},
            "extra_json": extra_body,
            "security": {"bearer_auth": True},
        }
        answer: Any = await self._client.post(
            "/chat/completions",
            body={**body, "stream": stream},
            cast_to=object,
            options=options,
            stream=stream,
            stream_cls=openai.AsyncStream[Any],
        )
        return Gathered(answer) if stream and not self._is_raw else answer


class Gathered:
    """A stream of chunks, read ahead: of those that wait to be taken, pieces of one text are joined."""

    def __init__(self, stream: openai.AsyncStream[Any]) -> None:
        self._stream = stream
        self._waiting: list[Any] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._reader = asyncio.create_task(self._read(), name="reader of a model's stream")
        self._reader.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.cancel()
        await asyncio.wait([self._reader])
        await self._stream.close()

    async def _read(self) -> None:
        try:
            async for chunk in self._stream:
                if not (self._waiting and _joined(self._waiting[-1], chunk)):
                    self._waiting.append(chunk)
                self._changed.set()
        finally:
            self._changed.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            await self._changed.wait()
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            for chunk in waiting:
                yield chunk
            if self._reader.done() and not self._waiting:
                self._reader.result()
                return


def _joined(last: Any, chunk: Any) -> bool:
    """Add the text of a chunk to the last one, if both are nothing but text of the same answer; return whether they are."""
    one, other = _text(last), _text(chunk)
    if one is None or other is None or last.get("id") != chunk.get("id"):
        return False
    one["content"] += other["content"]
    return True


def _text(chunk: Any) -> dict[str, Any] | None:
    """Return the delta of a chunk that is nothing but a piece of text."""
    if not isinstance(chunk, dict) or chunk.get("usage") or chunk.get("error"):
        return None
    choices = chunk.get("choices")
    if not (isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict)):
        return None
    delta = choices[0].get("delta")
    if not isinstance(delta, dict) or not isinstance(delta.get("content"), str):
        return None
    said = {key for key, value in {**choices[0], **delta}.items() if value is not None}
    return delta if said <= _TEXT | {"index", "delta"} else None
