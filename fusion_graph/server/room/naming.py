"""GET /v1/fusion/models: the models that may be named here, with prices; a search among thousands."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query, Request

from fusion_graph.models.kept_lists import KEPT_SECONDS
from fusion_graph.models.listing import known_models, list_models, matching
from fusion_graph.models.names import split_name
from fusion_graph.models.price_table import row_of
from fusion_graph.models.server_lists import ListedModel
from fusion_graph.server.access.owners import Owner
from fusion_graph.server.config import ServerConfig
from fusion_graph.server.offer import preset_models

MOST = 1000  # models of one answer
AGAIN_SECONDS = 900.0  # after which a server that could not be asked for its list is asked again


class ServerLists:
    """The models that servers list, asked for when they are first wanted and then once a day."""

    def __init__(self, config: ServerConfig) -> None:
        self._config = config
        self._asking = asyncio.Lock()
        self._models: Sequence[ListedModel] = ()
        self._until = 0.0

    async def models(self) -> Sequence[ListedModel]:
        """Return all models there are; none where only those may be named that presets or the operator name."""
        if "*" not in self._config.models:
            return ()
        async with self._asking:  # who types the next letter waits for the same answer
            if time.monotonic() >= self._until:
                found = await list_models(self._config.environ)
                self._models = found["models"]
                self._until = time.monotonic() + (AGAIN_SECONDS if found["problems"] else KEPT_SECONDS)
            return self._models


async def models(
    request: Request, _owner: Owner, q: str = "", limit: Annotated[int, Query(ge=1, le=MOST)] = 50
) -> dict[str, Any]:
    """Answer GET /v1/fusion/models."""
    state = request.app.state
    listed = await state.server_lists.models()
    return await asyncio.to_thread(_answer, listed, state.config, " ".join(q.split()), limit)


def _answer(listed: Sequence[ListedModel], config: ServerConfig, words: str, limit: int) -> dict[str, Any]:
    named = preset_models(config) | (config.models - {"*"})
    known = known_models(named, config.environ)
    first = [known.get(name) or row_of(name, "") for name in sorted(named)]
    rows = [*first, *(row for row in listed if row["name"] not in named)]
    fitting = sorted(matching(rows, words), key=lambda row: _distance(row["name"].lower(), words.lower()))
    return {
        "object": "list",
        "data": [_told(row) for row in fitting[:limit]],
        "matching": len(fitting),
        "total": len(rows),
    }


def _distance(name: str, words: str) -> int:
    """Return how far a name is from what was typed: it begins so, the model's own part of it does, it holds it."""
    own = split_name(name).model.rpartition("/")[2]
    return next((place for place, part in enumerate((name, own)) if part.lstrip("~").startswith(words)), 2)


def _told(row: ListedModel) -> dict[str, Any]:
    return {name: row[name] for name in ("name", "input_usd_per_mtok", "output_usd_per_mtok", "context_tokens")}
