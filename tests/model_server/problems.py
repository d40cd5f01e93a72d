"""What a provider says when it refuses: the words, and the shapes they come in."""

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One refusal. `body` replaces the shape where a provider answers outside its own."""

    message: str
    param: str | None = None
    code: str | None = None
    type: str = "invalid_request_error"
    status: int = 400
    body: Any = None


def openai_shape(problem: Problem) -> Any:
    error = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    return {"error": error}


def anthropic_shape(problem: Problem) -> Any:
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large"}
    kinds |= {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
    kind = kinds.get(problem.status, "invalid_request_error" if problem.status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": problem.message}, "request_id": "req_model_server"}


def google_shape(problem: Problem) -> Any:
    """Return a list: that is what the OpenAI-compatible endpoint of Gemini sends."""
    names = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    names |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
    name = names.get(problem.status, "UNKNOWN")
    return [{"error": {"code": problem.status, "message": problem.message, "status": name}}]


def mistral_shape(problem: Problem) -> Any:
    body = {"object": "error", "message": problem.message, "type": problem.type}
    return body | {"param": None, "code": problem.code, "raw_status_code": problem.status}


def deepseek_shape(problem: Problem) -> Any:
    return openai_shape(replace(problem, param=None, code=problem.code or problem.type))


def llama_cpp_shape(problem: Problem) -> Any:
    return {"error": {"code": problem.status, "message": problem.message, "type": problem.type}}


QUOTA_EXCEEDED = Problem(
    "You exceeded your current quota, please check your plan and billing details.",
    code="insufficient_quota",
    type="insufficient_quota",
    status=429,
)

_SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"
_BY_STATUS = {
    400: Problem("Invalid request."),
    401: Problem("Incorrect API key provided.", code="invalid_api_key", status=401),
    402: Problem("Insufficient credits. Add more credits and try again.", code="insufficient_credits", status=402),
    403: Problem("You are not allowed to use this model.", code="forbidden", type="permission_error", status=403),
    404: Problem("The model does not exist or you do not have access to it.", code="model_not_found", status=404),
    408: Problem("The request timed out.", code="request_timeout", type="timeout", status=408),
    429: Problem(
        "Rate limit reached for requests. Please try again later.",
        code="rate_limit_exceeded",
        type="requests",
        status=429,
    ),
    503: Problem("The engine is currently overloaded, please try again later.", type="overloaded_error", status=503),
    529: Problem("Overloaded", type="overloaded_error", status=529),
}


def problem_of_status(status: int) -> Problem:
    """Return the usual words for a status."""
    return _BY_STATUS.get(status) or Problem(_SERVER_ERROR, type="server_error", status=status)


def unknown_model(model: str) -> Problem:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Problem(message, param="model", code="model_not_found", status=404)
