from collections.abc import Iterator

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from tests.langgraph_server.dev import KEYS, Dev, started


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A server without keys."""
    with started(tmp_path_factory.mktemp("open")) as dev:
        yield dev


@pytest.fixture(scope="session")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A server with two owners."""
    with started(tmp_path_factory.mktemp("keyed"), *KEYS) as dev:
        yield dev


@pytest.fixture
def client(dev: Dev) -> Iterator[SyncLangGraphClient]:
    """The SDK's client of the server without keys."""
    with get_sync_client(url=dev.url) as client:
        yield client


@pytest.fixture
def owners(keyed: Dev) -> Iterator[tuple[SyncLangGraphClient, SyncLangGraphClient]]:
    """The SDK's clients of the two owners."""
    with get_sync_client(url=keyed.url, api_key=KEYS[0]) as one, get_sync_client(url=keyed.url, api_key=KEYS[1]) as two:
        yield one, two
