"""Who serves models: the servers this package talks to itself, and LangChain's integrations for everybody else."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Server:
    """A server that speaks OpenAI's chat completions, and the variables that say where it is and who pays."""

    key: str
    url: str
    default_url: str

    def public_url(self, environ: Mapping[str, str]) -> str:
        """Return the base URL as it may be stored and traced: without user and password."""
        parts = urlsplit(self.base_url(environ))
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def base_url(self, environ: Mapping[str, str]) -> str:
        """Return the URL in use, without a slash at its end."""
        return (environ.get(self.url) or self.default_url).rstrip("/")

    def is_official(self, environ: Mapping[str, str]) -> bool:
        """Tell whether the URL in use is the provider's own, a regional host of it included."""
        host, home = urlsplit(self.base_url(environ)).hostname, urlsplit(self.default_url).hostname
        return host == home or (host or "").endswith(f".{home}")


@dataclass(frozen=True)
class Integration:
    """A LangChain integration package. One of `keys` must be set; none listed: it finds its credentials itself."""

    package: str
    chat_class: str
    keys: tuple[str, ...] = ()
    submodule: str = ""

    @property
    def module(self) -> str:
        """The module's name, which is the package's but for dashes."""
        return self.package.replace("-", "_")


SERVERS = {
    "openai": Server("OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "openrouter": Server("OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1"),
}

INTEGRATIONS = {
    "anthropic": Integration("langchain-anthropic", "ChatAnthropic", ("ANTHROPIC_API_KEY",)),
    "anthropic_bedrock": Integration("langchain-aws", "ChatAnthropicBedrock"),
    "azure_ai": Integration("langchain-azure-ai", "AzureAIOpenAIApiChatModel", submodule="chat_models"),
    "azure_openai": Integration("langchain-openai", "AzureChatOpenAI"),
    "baseten": Integration("langchain-baseten", "ChatBaseten", ("BASETEN_API_KEY",)),
    "bedrock": Integration("langchain-aws", "ChatBedrock"),
    "bedrock_converse": Integration("langchain-aws", "ChatBedrockConverse"),
    "cohere": Integration("langchain-cohere", "ChatCohere", ("COHERE_API_KEY",)),
    "deepseek": Integration("langchain-deepseek", "ChatDeepSeek", ("DEEPSEEK_API_KEY",)),
    "fireworks": Integration("langchain-fireworks", "ChatFireworks", ("FIREWORKS_API_KEY",)),
    "google_anthropic_vertex": Integration(
        "langchain-google-vertexai", "ChatAnthropicVertex", submodule="model_garden"
    ),
    "google_genai": Integration(
        "langchain-google-genai", "ChatGoogleGenerativeAI", ("GOOGLE_API_KEY", "GEMINI_API_KEY")
    ),
    "google_vertexai": Integration("langchain-google-vertexai", "ChatVertexAI"),
    "groq": Integration("langchain-groq", "ChatGroq", ("GROQ_API_KEY",)),
    "huggingface": Integration("langchain-huggingface", "ChatHuggingFace"),
    "ibm": Integration("langchain-ibm", "ChatWatsonx"),
    "litellm": Integration("langchain-litellm", "ChatLiteLLM"),
    "mistralai": Integration("langchain-mistralai", "ChatMistralAI", ("MISTRAL_API_KEY",)),
    "nvidia": Integration("langchain-nvidia-ai-endpoints", "ChatNVIDIA"),
    "ollama": Integration("langchain-ollama", "ChatOllama"),
    "perplexity": Integration("langchain-perplexity", "ChatPerplexity", ("PPLX_API_KEY", "PERPLEXITY_API_KEY")),
    "together": Integration("langchain-together", "ChatTogether", ("TOGETHER_API_KEY",)),
    "upstage": Integration("langchain-upstage", "ChatUpstage", ("UPSTAGE_API_KEY",)),
    "xai": Integration("langchain-xai", "ChatXAI", ("XAI_API_KEY",)),
}

PROVIDERS = frozenset(SERVERS) | frozenset(INTEGRATIONS)
