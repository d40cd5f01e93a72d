"""The command `llm`, told that the server has the Responses API."""

from tests.clients.sessions.with_llm import Client as Command


class Client(Command):
    def __init__(self, url: str, key: str, model: str) -> None:
        super().__init__(url, key, model, responses=True)
