"""The page: its files, and the addresses it is shown at. All it knows comes from the API, as any client's would."""

from fastapi import FastAPI, Request
from starlette.responses import Response

from fusion_graph.server.chatroom.files import read_files
from fusion_graph.server.errors import RefusedError

_PAGE = ("/", "/runs", "/runs/{run_id}")
_FILE = "/chatroom/{name}"
PATHS = (*_PAGE, _FILE)


def add_chatroom(app: FastAPI) -> None:
    """Serve the page. It needs no key: what it asks for does."""
    files = read_files()

    async def page(request: Request) -> Response:
        return files["index.html"].answer(request)

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            raise RefusedError(404, f"the page has no file {name!r}")
        return files[name].answer(request)

    for path in _PAGE:
        app.add_route(path, page, methods=["GET"], include_in_schema=False)
    app.add_route(_FILE, file, methods=["GET"], include_in_schema=False)
