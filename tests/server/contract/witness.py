"""What happens while a test runs: which servers under test received a request, and which responses were looked into."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fusion_graph.server.access.guard import Guard


@dataclass
class Witness:
    """The ports that servers of this process received requests on, and those whose responses were looked into."""

    asked: set[int] = field(default_factory=set)
    looked_into: set[int] = field(default_factory=set)

    @property
    def lacks(self) -> str:
        """What did not happen, "" if all did."""
        if not self.asked:
            return "the server under test received no request"
        return "" if self.asked & self.looked_into else "no body of its responses was read"


@contextmanager
def watching() -> Iterator[Witness]:
    """Watch the servers of this process and the responses of its clients."""
    witness = Witness()
    receive, content, texts = Guard.__call__, httpx.Response.content, httpx.Response.iter_text

    async def received(guard: Guard, scope: Any, *channels: Any) -> None:
        if scope["type"] == "http" and scope.get("server"):
            witness.asked.add(scope["server"][1])
        await receive(guard, scope, *channels)

    def looked(response: httpx.Response) -> None:
        witness.looked_into.add(response.request.url.port or 0)

    def whole(response: httpx.Response) -> bytes:
        looked(response)
        return bytes(content.fget(response))  # type: ignore[attr-defined]  # it is a property

    def in_parts(response: httpx.Response, *sizes: Any) -> Iterator[str]:
        looked(response)
        yield from texts(response, *sizes)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Guard, "__call__", received)
        patch.setattr(httpx.Response, "content", property(whole))
        patch.setattr(httpx.Response, "iter_text", in_parts)
        yield witness


class WitnessOfClaims:
    """A plugin that fails a test which claims a statement without having asked the server and looked at what it says."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Watch a test that claims something."""
        if item.get_closest_marker("contract") is None:
            return (yield)
        with watching() as witness:
            result = yield
        assert not witness.lacks, f"{item.name} claims a statement of the contract, but {witness.lacks}"
        return result
