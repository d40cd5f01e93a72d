"""ChatOpenRouter of langchain-openrouter."""

from langchain_openrouter import ChatOpenRouter  # type: ignore[import-not-found]

from tests.clients.sessions.langchain_chat import LangChainChat


class Client(LangChainChat):
    def __init__(self, url: str, key: str, model: str) -> None:
        super().__init__(ChatOpenRouter(base_url=url, api_key=key, model=model))
