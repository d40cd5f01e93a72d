"""What a run came to, as a chat model says it."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages.ai import UsageMetadata

from fusion_graph.errors import FusionError
from fusion_graph.saying import finish_reason


def usable(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result that holds an answer or calls of the caller's tools. Raises FusionError if it holds neither."""
    if not result["answer"] and not result["tool_calls"]:
        raise FusionError("; ".join(result["reasons"]) or f"no answer: {result.get('failure_reason')}")
    return result


def told_by(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a message says beside its text: tokens of all calls, the model that wrote it, and the run."""
    tokens, writer = result["usage"]["total"], (result["settings"] or {}).get("writer") or "fusion"
    told = {name: value for name, value in result.items() if name not in {"answer", "tool_calls"}}
    return {
        "usage_metadata": UsageMetadata(
            input_tokens=tokens["input_tokens"],
            output_tokens=tokens["output_tokens"],
            total_tokens=tokens["input_tokens"] + tokens["output_tokens"],
            input_token_details={"cache_read": tokens["cached_tokens"]},
            output_token_details={"reasoning": tokens["reasoning_tokens"]},
        ),
        "response_metadata": {
            "model_name": writer,
            "model_provider": "fusion",
            "finish_reason": finish_reason(result),
            "fusion": told,
        },
    }
