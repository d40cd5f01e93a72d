"""The clients that are tested: the versions of their packages, and the errors they raise."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """A client. `module` is its part in `sessions`; `denied` and `unknown` are its classes for a wrong key and model.

    `lists`: it can list models. `is_impatient`: it takes five seconds of silence for the end, and asks again.
    `knows_fusion`: it is asked to send the server tool, too. `is_plain`: it takes OpenAI's own items and events only.
    `keeps`: it fetches, follows, cancels and deletes responses. `refers`: it can name the response before instead of
    sending the conversation. `parses`: it asks for answers of a shape.
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
    is_plain: bool = False
    keeps: bool = False
    refers: bool = False
    parses: bool = False


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
    Known(
        "openai-python, responses",
        "with_openai_responses",
        ("openai>=3.54,<4",),
        knows_fusion=True,
        keeps=True,
        parses=True,
    ),
    Known(
        "openai-node, responses",
        "with_openai_responses",
        ("openai@6",),
        runs_on="node",
        is_plain=True,
        keeps=True,
    ),
    Known(
        "ChatOpenAI, responses",
        "with_chat_openai_responses",
        ("langchain-openai>=1.7,<2",),
        denied="OpenAIAuthenticationError",
        unknown="OpenAIModelNotFoundError",
        refers=True,
        parses=True,
    ),
    Known(
        "openrouter, responses",
        "with_openrouter_responses",
        ("openrouter>=1.3.84,<2",),
        denied="UnauthorizedResponseError",
        unknown="NotFoundResponseError",
        is_impatient=True,
        knows_fusion=True,
    ),
    Known("LiteLLM, responses", "with_litellm_responses", ("litellm>=1.106,<2", "mcp>=1.10,<3")),
    Known(
        "AI SDK, OpenAI",
        "with_ai_sdk_openai",
        ("ai@6", "zod@4", "@ai-sdk/openai@3"),
        denied="APICallError",
        unknown="APICallError",
        runs_on="node",
        is_plain=True,
        parses=True,
    ),
    Known(
        "pydantic-ai, responses",
        "with_pydantic_ai_responses",
        ("pydantic-ai-slim[openai]>=2.68,<3",),
        denied="ModelAuthenticationError",
        unknown="ModelNotFoundError",
        refers=True,
        parses=True,
    ),
    Known("openai-agents", "with_openai_agents", ("openai-agents>=0.24,<0.25",), refers=True, parses=True),
    Known(
        "llm, responses",
        "with_llm_responses",
        ("llm>=0.36,<0.37",),
        denied="CommandError",
        unknown="CommandError",
    ),
)
INSTRUCTOR = Known("instructor", "with_instructor", ("instructor>=1.17,<2",), parses=True)  # does nothing else
