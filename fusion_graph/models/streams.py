"""What a stream says about itself, gathered and said once at its end."""

from collections import defaultdict
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from fusion_graph.models.replies import BadReplyError, metadata_of

UNFINISHED = "unfinished"  # our own finish reason of a stream that ended without one: it was cut on its way
_LISTS = ("reasoning_details", "annotations")


class StreamTail:
    """Hold back what a stream says about itself, to say it once, in a last chunk of its own.

    Adding chunks up concatenates strings and adds numbers, and servers repeat themselves: a finish reason, a model name
    or a running total of the usage would come out double.
    """

    def __init__(self) -> None:
        self.empty = True
        self._said: dict[str, Any] = {}
        self._usage: UsageMetadata | None = None
        self._id_sent = False
        self._lists: defaultdict[str, list[Any]] = defaultdict(list)

    def take(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """Strip `chunk` of what belongs into the last one; the response's id stays where it first comes."""
        message = chunk.message
        said = {**(chunk.generation_info or {}), **message.response_metadata}
        first = {"id": said["id"]} if said.get("id") and not self._id_sent else {}
        self._id_sent |= bool(first)
        self.empty = False
        self._said.update({key: value for key, value in said.items() if value is not None})
        chunk.generation_info = None
        message.response_metadata = first | {k: said[k] for k in ("model_provider", "output_version") if k in said}
        for key in _LISTS:
            self._lists[key] += message.additional_kwargs.pop(key, [])
        if isinstance(message, AIMessageChunk):
            self._usage = message.usage_metadata or self._usage
            message.usage_metadata = None
            message.chunk_position = None
        return chunk

    def last(self) -> ChatGenerationChunk:
        """Return the last chunk: no text, everything else."""
        if self.empty:
            raise BadReplyError("the server sent a stream without a single chunk of an answer")
        held = ("id", "model_provider", "output_version")
        said = metadata_of(self._said)
        if not (said.get("finish_reason") or said.get("status")):  # the latter is the Responses API's word
            said["finish_reason"] = UNFINISHED
        lists = {"reasoning_details": join_details(self._lists["reasoning_details"])} if self._lists else {}
        message = AIMessageChunk(
            content="",
            additional_kwargs={k: v for k, v in {**self._lists, **lists}.items() if v},
            response_metadata={k: v for k, v in said.items() if k not in held},
            usage_metadata=self._usage,
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)


def join_details(pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join the pieces of OpenRouter's `reasoning_details` that belong to one block; it wants them back as blocks."""
    blocks: list[dict[str, Any]] = []
    for piece in pieces:
        block = blocks[-1] if blocks and _same_block(blocks[-1], piece) else None
        if block is None:
            blocks.append(dict(piece))
            continue
        for key, value in piece.items():
            if key in {"text", "summary"}:
                block[key] = (block.get(key) or "") + (value or "")
            elif value is not None:
                block[key] = value
    return blocks


def _same_block(block: dict[str, Any], piece: dict[str, Any]) -> bool:
    keys = ("type", "index")
    return piece.get("type") != "reasoning.encrypted" and all(block.get(key) == piece.get(key) for key in keys)
