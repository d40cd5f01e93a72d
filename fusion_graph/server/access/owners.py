"""Whose request it is, and whether that one may ask again yet."""

from typing import Annotated

from fastapi import Depends, Request

from fusion_graph.server.config import ServerConfig
from fusion_graph.server.errors import RefusedError


def _owner(request: Request) -> str:
    config: ServerConfig = request.app.state.config
    owner = config.keys.owner(request.headers.get("authorization"))
    if owner is None:
        raise RefusedError(
            401, "give one of this server's API keys: Authorization: Bearer KEY", www_authenticate="Bearer"
        )
    request.app.state.limits.admit(owner)
    return owner


Owner = Annotated[str, Depends(_owner)]
