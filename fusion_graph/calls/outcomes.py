"""What became of one attempt to call a model: exceptions and messages sorted into `schemas.Outcome`.

Providers and their libraries agree on little but HTTP status codes and a few words, so that is what this looks at; it
imports none of them. Words decide only beside the statuses they were seen with: 429 is a rate limit unless it says that
the money is gone, 400 a bad request unless it says that the prompt is too long.
"""

import re
from collections.abc import Mapping

from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage

from fusion_graph.calls.library_errors import chain, message_of, said, shown, status_of
from fusion_graph.calls.messages import finish_reason, text_of
from fusion_graph.errors import FusionError, MissingKeyError
from fusion_graph.schemas import CallError, Outcome


def _words(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


_BY_STATUS: Mapping[int, Outcome] = {
    401: "unauthorized",
    402: "payment_required",
    403: "unauthorized",
    404: "not_found",
    408: "timeout",
    409: "server_error",  # a lock on their side; the SDKs retry it
    410: "not_found",
    413: "context_overflow",
    429: "rate_limited",
    498: "rate_limited",  # Groq: no capacity left
}
_ANY: frozenset[int | None] = frozenset({None, *range(400, 600)})

# (statuses, None where there is none; words; what they mean), in order. The words are from errors of real providers.
_BY_WORDS: tuple[tuple[frozenset[int | None], re.Pattern[str], Outcome], ...] = (
    (
        _ANY,  # Anthropic says it with 400, OpenAI with 429, xAI and the limited keys of OpenRouter with 403
        _words(
            r"insufficient[_ ](credit|quota|balance|funds)|credit[_ ]balance|billing[_ ](error|hard|not)",
            r"(all available|out of|more|any) credits|spending limit|key limit exceeded|exceeded_current_quota|arrearage",
        ),
        "payment_required",
    ),
    (
        frozenset({413, 429}),  # more tokens than a whole minute's allowance: waiting does not help
        _words(r"request too large|must be reduced in order to run"),
        "context_overflow",
    ),
    (
        frozenset({None, 400, 413, 422}),
        _words(
            # Groq speaks of the window when it is the output limit that is too high.
            r"context[_ -]?(length|size|limit)|(?<!less than the `)context[_ -]?window|(input|prompt) is too long",
            r"too many (input )?tokens|exceeds? the maximum number of tokens|exceeded model token limit",
            r"maximum prompt length|prompt (exceeds|contains .* too large)|range of input length|`inputs` tokens",
            r"reduce the length of the messages|string_above_max_length|tokens_limit_reached",
        ),
        "context_overflow",
    ),
    (frozenset({None, 400}), _words(r"api[_ ]key[_ ](not[_ ](valid|found)|invalid|expired)"), "unauthorized"),
    (
        frozenset({None, 400, 403, 422}),  # moderation before or beside the model: no other key would help
        _words(
            r"content[_ -]?(filter|policy|management|exists risk|violates)|usage (policy|policies|guidelines)",
            r"safety (system|reasons)|requires moderation|was flagged|inappropriate content",
        ),
        "refusal",
    ),
    (
        frozenset({None, 400, 403}),
        _words(r"model[_ ](does )?not[_ ](found|exist)|(in|not a )valid[_ ]model|model identifier is invalid"),
        "not_found",
    ),
    (frozenset({404}), _words(r"no endpoints found that"), "bad_request"),  # the model is there, not for this request
)
# What an error calls itself where it has no status: in a stream that began with 200, or by the name of its class.
_BY_TYPE: tuple[tuple[re.Pattern[str], Outcome], ...] = (
    (_words(r"rate[_ ]?limit|throttl|too many requests|resource[_ ]?exhausted"), "rate_limited"),
    (_words(r"authentication|permission[_ ]?(denied|error)|unauthenticated"), "unauthorized"),
    (_words(r"invalid[_ ]?request|bad[_ ]?request|invalid_argument|unexpected keyword argument"), "bad_request"),
    (_words(r"not_found_error|modelnotfound"), "not_found"),
    (_words(r"lengthfinishreason"), "cut"),
    (_words(r"overloaded|unavailable|api_?error|apistatuserror|server_?error"), "server_error"),
)
_UNFINISHED = "unfinished"  # what `models.streams` says of a stream without a finish reason
_UNREACHED = re.compile("Connect|Protocol|ReadError|WriteError|Network|ResourceError|Payload|Cancelled")


def error_of(exception: BaseException) -> CallError:
    """Return what `exception`, raised by a model library, means; secrets are blanked out."""
    status = status_of(exception)
    error: CallError = {"kind": _kind(exception, status), "message": message_of(exception)}
    if status is not None:
        error["status_code"] = status
    return error


def _kind(exception: BaseException, status: int | None) -> Outcome:
    if isinstance(exception, FusionError):
        return "unauthorized" if isinstance(exception, MissingKeyError) else "not_found"
    if isinstance(exception, ContextOverflowError):
        return "context_overflow"
    names = " ".join(cls.__name__ for each in chain(exception) for cls in type(each).__mro__)
    text = f"{said(exception)} {names}"
    for statuses, words, outcome in _BY_WORDS:
        if status in statuses and words.search(text):
            return outcome
    if status is None:
        return _kind_of_name(exception, names, text)
    return _BY_STATUS.get(status) or ("bad_request" if status < 500 else "server_error")  # noqa: PLR2004  (HTTP)


def _kind_of_name(exception: BaseException, names: str, text: str) -> Outcome:
    if "Timeout" in names:
        return "timeout"
    if "OSError" in names or _UNREACHED.search(names):
        return "connection"
    if found := next((outcome for words, outcome in _BY_TYPE if words.search(text)), None):
        return found
    if isinstance(exception, ValueError | LookupError | TypeError | AttributeError):
        return "server_error"  # the answer was not one: HTML, half a JSON, an error inside a 200
    return "error"


_CUT = {"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"}
_REFUSAL = {
    "blocklist",
    "content_filter",
    "content_filtered",
    "error_toxic",
    "guardrail_intervened",
    "image_safety",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
    "sensitive",
    "spii",
}
_BROKEN = {"error", "network_error", "insufficient_system_resource"}


def outcome_of(message: AIMessage) -> tuple[Outcome, CallError | None]:
    """Return what a model's message amounts to, and the error if it is no use."""
    reason, refusal, text = _reason(message), _refusal(message), text_of(message)
    if refusal or reason in _REFUSAL:
        words = shown(str(refusal or text or f"finish_reason {reason!r}"))
        return "refusal", {"kind": "refusal", "message": f"the model refused: {words}"}
    if cut := _why_cut(message, reason):
        return "cut", {"kind": "cut", "message": cut}
    if reason in _BROKEN:
        return "server_error", {"kind": "server_error", "message": f"the answer broke off (finish_reason {reason!r})"}
    if message.tool_calls or message.invalid_tool_calls:
        return "tool_calls", None
    if not text.strip():
        return "empty", {"kind": "empty", "message": "the model finished without producing any text"}
    return "answer", None


def _why_cut(message: AIMessage, reason: str) -> str:
    """Return why an answer is not whole, '' if it is; whole tool calls are whole, whatever the stream said last."""
    if reason in _CUT:
        return f"the output limit cut the answer (finish_reason {reason!r})"
    is_said = bool(text_of(message).strip()) and not message.tool_calls
    return "the answer breaks off without a finish reason" if reason == _UNFINISHED and is_said else ""


def _reason(message: AIMessage) -> str:
    """Return the finish reason in lower case; a stream that says it with every chunk makes `lengthlength` of it."""
    reason = (finish_reason(message) or "").rpartition(".")[2].lower()
    repeated = re.fullmatch(r"(.+?)\1+", reason)
    return repeated[1] if repeated else reason


def _refusal(message: AIMessage) -> object:
    """Return the model's own refusal, or why Google did not show it the prompt; the message is empty then."""
    feedback = message.response_metadata.get("prompt_feedback")
    blocked = feedback.get("block_reason") if isinstance(feedback, Mapping) else None
    return message.additional_kwargs.get("refusal") or (f"the prompt was blocked: {blocked}" if blocked else None)
