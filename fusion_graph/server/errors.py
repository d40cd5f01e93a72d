"""Errors as clients read them: one shape for every one, whoever found it."""

import logging
import traceback
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fusion_graph.characters import visible
from fusion_graph.errors import (
    DatabaseError,
    FusionError,
    MissingKeyError,
    MissingPackageError,
    ModelLoadError,
    RunBusyError,
    RunNotFoundError,
    SettingsError,
    redact,
)

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    499: "cancelled",
}
_MAX_CHARS = 2000  # of a message: it may quote what a client sent
_MIN_SECRET = 8  # shorter ones are words
_SERVERS = 5  # hundreds: what is the server's fault
NO_RETRY = {"x-should-retry": "false"}  # the OpenAI SDKs, LangChain and LiteLLM would pay for another run
_WORTH_A_RETRY = frozenset({408, 429})  # nothing was begun


_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that this server does not take: status, words, and the field it is about."""

    def __init__(self, status: int, message: str, *, param: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def error_body(status: int, message: str, param: str | None = None) -> dict[str, Any]:
    """Return an error as OpenAI's API has it, with an integer code, which OpenRouter's SDKs demand."""
    kind = _TYPES.get(status, "server_error" if status // 100 == _SERVERS else "invalid_request_error")
    return {"error": {"message": _shown(message), "type": kind, "code": status, "param": param}}


def retry_told(status: int) -> dict[str, str]:
    """Return what keeps clients from asking again, where that could be paid twice."""
    return {} if status in _WORTH_A_RETRY else NO_RETRY


def log_fault(error: BaseException, request: str, authorization: str = "") -> None:
    """Log a fault of the server on one line: where it happened and what it says, without the secrets that it quotes."""
    places = traceback.extract_tb(error.__traceback__)[-1:]
    at = f" at {Path(places[0].filename).name}:{places[0].lineno}" if places else ""
    said = f"{request} failed{at}: {type(error).__name__}: {error}"
    for part in authorization.split():  # no pattern and no variable knows the keys that clients make up
        said = said.replace(part, "[redacted]") if len(part) >= _MIN_SECRET else said
    _log.error("%s", visible(" ".join(_shown(said).split())))


def fault_of(error: BaseException) -> str:
    """Return what clients are told of a fault; what it says may quote anything."""
    return f"a fault of this server: {type(error).__name__}"


def _shown(message: str) -> str:
    """Return a message without secrets, cut after that: half a key is no longer found."""
    return redact(message[: 2 * _MAX_CHARS])[:_MAX_CHARS]


def answer_errors(app: FastAPI) -> None:
    """Have every error of the app answered in this shape, the framework's own too."""

    @app.exception_handler(RefusedError)
    async def _refused(request: Request, error: RefusedError) -> JSONResponse:
        request.app.state.metrics.refused(error.status)
        return _answer(error.status, str(error), error.param, error.headers)

    @app.exception_handler(FusionError)
    async def _fusion(_request: Request, error: FusionError) -> JSONResponse:
        said = f"{error}. {error.hint}" if error.hint else str(error)
        return _answer(status_of(error), said, error.field if isinstance(error, SettingsError) else None)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return _answer(400, f"{place}: {first['msg']}", place or None)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(error.status_code, str(error.detail), None, dict(error.headers or {}))

    @app.exception_handler(Exception)
    async def _fault(_request: Request, error: Exception) -> JSONResponse:
        return _answer(500, fault_of(error))


def status_of(error: FusionError) -> int:
    """Return the HTTP status for an error before a run."""
    kinds: list[tuple[type[FusionError], int]] = [
        (SettingsError, 400),
        (MissingKeyError, 503),
        (MissingPackageError, 503),
        (ModelLoadError, 404),
        (RunNotFoundError, 404),
        (RunBusyError, 409),
        (DatabaseError, 503),
    ]
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def _answer(status: int, message: str, param: str | None = None, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(error_body(status, message, param), status, {**retry_told(status), **(headers or {})})
