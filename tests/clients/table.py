"""The clients that are tested: the versions of their packages, and the errors they raise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A client. `module` is its part in `sessions`; `denied` and `unknown` are its classes for a wrong key and model.

    `lists`: it can list models. `is_impatient`: it takes five seconds of silence for the end, and asks again.
    `knows_fusion`: it is asked to send the server tool, too.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    denied: str = "AuthenticationError"
    unknown: str = "NotFoundError"
    runs_on: str = "python"
    lists: bool = False
    is_impatient: bool = False
    knows_fusion: bool = False


CLIENTS = (
    Known("openai-python", "with_openai", ("openai>=3.54,<4",), lists=True, knows_fusion=True),
    Known("openai-node", "with_openai", ("openai@6",), runs_on="node", lists=True),
    Known(
        "ChatOpenAI",
        "with_chat_openai",
        ("langchain-openai>=1.7,<2",),
        denied="OpenAIAuthenticationError",
        unknown="OpenAIModelNotFoundError",
    ),
    Known(
        "ChatOpenRouter",
        "with_chat_openrouter",
        ("langchain-openrouter>=0.2.9,<0.3",),
        denied="UnauthorizedResponseError",
        unknown="NotFoundResponseError",
        is_impatient=True,
    ),
    Known(
        "openrouter",
        "with_openrouter",
        ("openrouter>=1.3.84,<2",),
        denied="UnauthorizedResponseError",
        unknown="NotFoundResponseError",
        lists=True,
        is_impatient=True,
        knows_fusion=True,
    ),
    Known("LiteLLM", "with_litellm", ("litellm>=1.106,<2", "mcp>=1.10,<3"), lists=True),  # its tools need mcp
    Known(
        "AI SDK, OpenAI-compatible",
        "with_ai_sdk_compatible",
        ("ai@6", "zod@4", "@ai-sdk/openai-compatible@2"),
        denied="APICallError",
        unknown="APICallError",
        runs_on="node",
    ),
    Known(
        "AI SDK, OpenRouter",
        "with_ai_sdk_openrouter",
        ("ai@6", "zod@4", "@openrouter/ai-sdk-provider@2"),
        denied="APICallError",
        unknown="APICallError",
        runs_on="node",
    ),
    Known(
        "pydantic-ai",
        "with_pydantic_ai",
        ("pydantic-ai-slim[openai]>=2.68,<3",),
        denied="ModelAuthenticationError",
        unknown="ModelNotFoundError",
    ),
    Known("llm", "with_llm", ("llm>=0.36,<0.37",), denied="CommandError", unknown="CommandError"),
)
