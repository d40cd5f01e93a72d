"""ChatOpenAI of langchain-openai."""

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from tests.clients.sessions.langchain_chat import LangChainChat


class Client(LangChainChat):
    def __init__(self, url: str, key: str, model: str) -> None:
        super().__init__(ChatOpenAI(base_url=url, api_key=SecretStr(key), model=model))
