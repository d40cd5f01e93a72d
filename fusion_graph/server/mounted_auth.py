"""Who may use a LangGraph server, and what of it: `auth` of langgraph.json.

The API keys are those of `fusion serve`: each owns its assistants, threads and crons; without any, this machine alone may
ask. The server drops names of settings that it does not know and runs something else than was asked for, so what a run,
an assistant or a cron says is checked here, before.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from langgraph_sdk import Auth

from fusion_graph.errors import SettingsError
from fusion_graph.server.access.guard import Guard, Scope, not_of_this_machine
from fusion_graph.server.access.keys import Keys
from fusion_graph.settings import FusionSettings
from fusion_graph.urls import is_loopback

_STUDIO = "smith.langchain.com"  # a hosted page that talks to a server on its user's machine
_KEYS = Keys.from_environ(os.environ)
auth = Auth()


@auth.authenticate
async def authenticate(headers: Mapping[Any, Any], scope: Scope | None = None) -> dict[str, Any]:
    """Return whose request it is. Refused are those without a key or, where there are none, from elsewhere.

    LangGraph's server gives what is named here, Aegra the headers alone.
    """
    if isinstance(
        (scope or {}).get("endpoint"), Guard
    ):  # our own routes refuse for themselves, in the shape of OpenAI's API
        return {"identity": "", "is_authenticated": False}
    sent = {_text(name): _text(value) for name, value in headers.items()}
    if not _KEYS and (reason := _not_of_here(sent, scope)):
        raise Auth.exceptions.HTTPException(403, reason)
    # LangGraph's clients call their key an api_key, and send it in a header of its own.
    owner = _KEYS.owner(sent.get("authorization") or f"Bearer {sent.get('x-api-key', '')}")
    if owner is None:
        raise Auth.exceptions.HTTPException(
            401, "give one of this server's API keys: Authorization: Bearer KEY, or x-api-key: KEY"
        )
    return {"identity": owner}


def _text(value: bytes | str) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _not_of_here(headers: Mapping[str, str], scope: Scope | None) -> str:
    """Return why a server without keys does not answer a request; "" if it does."""
    if scope is None:
        return "this server has no API keys, and is not told where requests come from; set FUSION_API_KEYS"
    return not_of_this_machine(scope) or _foreign_page(headers)


def _foreign_page(headers: Mapping[str, str]) -> str:
    """Return why a page in a browser on this machine may not use a server without keys; "" if it may."""
    origin = headers.get("origin", "")
    host = urlsplit(origin).hostname or ""
    if not origin or is_loopback(host) or host == _STUDIO or host.endswith(f".{_STUDIO}"):
        return ""
    return f"pages of {origin[:200]!r} may not use this server; set FUSION_API_KEYS"


@auth.on
async def allow(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> bool:  # noqa: ARG001  (called by name)
    """Allow what has no owner, such as the store, where there are no keys."""
    return not _KEYS


@auth.on(resources=["threads", "crons"])
async def own(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> Auth.types.FilterType | None:
    """Check what a run is told; show each owner what is its own."""
    _check(value)
    return _claimed(ctx, value)


@auth.on.assistants
async def assistants(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, Any] | None:
    """Check what an assistant is told; show each owner its own, and those that the server makes of its graphs."""
    _check(value)
    claimed = _claimed(ctx, value)
    return {"$or": [{"created_by": "system"}, claimed]} if claimed and ctx.action in {"read", "search"} else claimed


def _claimed(ctx: Auth.types.AuthContext, value: dict[str, Any]) -> dict[str, str] | None:
    """Return what an owner's things are found by, written on what is made; None where all is everybody's."""
    if not _KEYS:
        return None
    owner = {"owner": ctx.user.identity}
    makes = ctx.action in {"create", "create_run", "update"}
    if makes and (metadata := value.setdefault("metadata", {})) is not None:
        if metadata.get("created_by") == "system":  # everybody would see it
            del metadata["created_by"]
        metadata |= owner
    return owner


def _check(value: Mapping[str, Any]) -> None:
    """Refuse unknown settings and impossible values of a run, a cron or an assistant.

    Raises:
        Auth.exceptions.HTTPException: 422, with what would have been right.
    """
    said = value.get("kwargs") or value.get("payload") or value
    shared = (said.get("config") or {}).get("configurable") or {}
    context = said.get("context") or {}
    if value.get("kwargs") and not shared.get("__context_provided__"):
        context, shared = {}, context  # the server copied it from there
    try:
        FusionSettings.model_validate(context)
        # `configurable` is not ours alone: what is unknown there may be another's.
        FusionSettings.model_validate({name: shared[name] for name in FusionSettings.model_fields if name in shared})
    except SettingsError as error:
        raise Auth.exceptions.HTTPException(422, f"{error}. {error.hint}") from None
