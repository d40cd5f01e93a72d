"""The server itself: in a thread of the test process, or in a process of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.model_server.connection import with_transport
from tests.model_server.endpoint import ChatCompletions, Limit, Settings
from tests.model_server.families import family_named
from tests.model_server.log import Entry, Log, State
from tests.model_server.roles import everyone
from tests.model_server.wire import Behaviour

_SECONDS_TO_STOP = 5.0


class _Uvicorn(uvicorn.Server):
    """Uvicorn that starts and stops at once instead of at its next tick, and never waits for a scripted hang."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._stopping = stopping
        self._loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready.set()
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        async with asyncio.timeout(_SECONDS_TO_STOP):
            while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 -- uvicorn keeps two sets
                await asyncio.sleep(0.002)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self.stop()

    def stop(self) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)


class ModelServer:
    """An OpenAI-compatible server on 127.0.0.1. Use it as a context manager, or `run()` it in a process of its own.

    `settings.behaviour` may be exchanged while it runs. Leaving the context raises what a behaviour raised.
    """

    def __init__(  # noqa: PLR0913 -- each is one knob of a provider, and all but the first are named
        self,
        behaviour: Behaviour = everyone,
        *,
        family: str = "openai",
        families: Mapping[str, str] | None = None,
        models: tuple[str, ...] = (),
        context_tokens: Limit = None,
        max_output_tokens: Limit = None,
        api_key: str | None = None,
        port: int = 0,
        log_file: Path | None = None,
    ) -> None:
        self.settings = Settings(behaviour, family, families or {}, models, context_tokens, max_output_tokens, api_key)
        for name in (family, *self.settings.families.values()):
            family_named(name)
        self._log = Log(log_file)
        self._stopping = asyncio.Event()
        self._chat = ChatCompletions(self.settings, self._log, self._stopping)
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._uvicorn = _Uvicorn(self._config(), self._stopping)
        self._thread = threading.Thread(target=self.run, name=f"model-server-{self.port}")

    def _config(self) -> uvicorn.Config:
        chat = Route("/v1/chat/completions", self._chat, methods=["POST"])
        app = Starlette(routes=[chat, Route("/v1/models", self._models)])
        # No websockets: importing uvicorn's implementation of them warns, and warnings are errors here.
        return uvicorn.Config(
            with_transport(app), http="h11", ws="none", loop="asyncio", lifespan="off", log_config=None
        )

    async def _models(self, http: HttpRequest) -> Response:
        names = self.settings.models or ("test-model",)
        rows = [{"id": name, "object": "model", "created": int(time.time()), "owned_by": "tests"} for name in names]
        return JSONResponse({"object": "list", "data": rows})

    def run(self) -> None:
        """Serve until stopped, in this thread."""
        self._uvicorn.run(sockets=[self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._uvicorn.ready.wait(_SECONDS_TO_STOP):
            raise TimeoutError("the model server did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._uvicorn.stop()
        self._thread.join(_SECONDS_TO_STOP)
        if self._chat.failures and error is None:
            raise RuntimeError("a behaviour of the model server raised") from self._chat.failures[0]

    @property
    def log(self) -> list[Entry]:
        """Every request so far, in order of arrival."""
        return list(self._log.entries)

    def requests_of(self, model: str) -> list[Entry]:
        """Return the entries of one model."""
        return [entry for entry in self.log if entry.model == model]

    def wait_for(self, count: int, *, state: State | None = None, within: float = 5.0) -> list[Entry]:
        """Block until `count` requests have arrived, or have reached `state`. Not for a thread that runs the client."""
        return self._log.wait_until(lambda entries: _count(entries, state) >= count, within)

    async def wait_for_async(self, count: int, *, state: State | None = None, within: float = 5.0) -> list[Entry]:
        """Await what `wait_for` blocks for."""
        return await asyncio.to_thread(self.wait_for, count, state=state, within=within)


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only then: 40 ms an answer otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(256)
    return listener


def _count(entries: list[Entry], state: State | None) -> int:
    return sum(state in {None, entry.state} for entry in entries)
