"""GET .../differences/{other}: two answers with what only one of them says marked in it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import Request

from fusion_graph.server.access.owners import Owner
from fusion_graph.server.kept import find
from fusion_graph.server.rendering import render_differences
from fusion_graph.server.room.history import response_id as id_of
from fusion_graph.summaries import summary_of


async def differences(request: Request, response_id: str, other: str, owner: Owner) -> dict[str, Any]:
    """Answer GET /v1/responses/{response_id}/differences/{other}."""
    runs = request.app.state.runs
    rows = [await find(runs, owner, each) for each in (response_id, other)]
    a, b = [await runs.show(row["run_id"]) for row in rows]
    one, two = await asyncio.to_thread(render_differences, a, b)
    return {"object": "response.differences", "a": _side(a, one), "b": _side(b, two)}


def _side(result: Mapping[str, Any], html: str) -> dict[str, Any]:
    summary = summary_of(result)
    said = {name: summary[name] for name in ("judge", "writer", "agree", "disagree")}
    return {"id": id_of(result["run_id"]), "html": html, **said}
