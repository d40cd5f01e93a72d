"""The routes of the room."""

from fastapi import FastAPI

from fusion_graph.server.docs import openapi
from fusion_graph.server.room.details import details
from fusion_graph.server.room.differences import differences
from fusion_graph.server.room.estimates import estimate
from fusion_graph.server.room.history import history
from fusion_graph.server.room.naming import ServerLists, models
from fusion_graph.server.room.offers import offer
from fusion_graph.server.room.redoing import fork, resume


def add_room(app: FastAPI) -> None:
    """Add the routes."""
    app.state.server_lists = ServerLists(app.state.config)
    app.get("/v1/fusion", **openapi.offer(app))(offer)
    app.get("/v1/fusion/models", **openapi.nameable(app))(models)
    app.post("/v1/fusion/estimate", **openapi.estimate(app))(estimate)
    app.get("/v1/responses", **openapi.history(app))(history)
    app.post("/v1/responses/{response_id}/resume", **openapi.resume(app))(resume)
    app.post("/v1/responses/{response_id}/fork", **openapi.fork(app))(fork)
    app.get("/v1/responses/{response_id}/details", **openapi.details(app))(details)
    app.get("/v1/responses/{response_id}/differences/{other}", **openapi.differences(app))(differences)
