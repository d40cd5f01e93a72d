"""The provider families by name.

`FAMILIES` are those every mode, seat and judge should pass in. `STRICTER` are true of some models or endpoints, and a
client made for OpenAI cannot satisfy each of them by its messages alone.
"""

from tests.model_server.families.anthropic import ANTHROPIC, ANTHROPIC_PREFILL
from tests.model_server.families.base import Check, Family, estimate_tokens
from tests.model_server.families.deepseek import DEEPSEEK, DEEPSEEK_THINKING
from tests.model_server.families.google import GOOGLE
from tests.model_server.families.mistral import MISTRAL, MISTRAL_HOSTED, MISTRAL_TEMPLATE
from tests.model_server.families.openai import OPENAI, OPENAI_5_6, OPENAI_REASONING, STRICT_SCHEMA
from tests.model_server.problems import Problem, llama_cpp_shape


def _llama_too_long(tokens: int, limit: int) -> Problem:
    words = f"request ({tokens} tokens) exceeds the available context size ({limit} tokens), try increasing it"
    return Problem(words, type="exceed_context_size_error")


# Takes everything, and does not care for `tool_choice: required`.
LLAMA_CPP = Family("llama.cpp", shape=llama_cpp_shape, too_long=_llama_too_long, honours_forced_tools=False)

FAMILIES = {
    family.name: family
    for family in (
        OPENAI,
        OPENAI_REASONING,
        STRICT_SCHEMA,
        ANTHROPIC,
        GOOGLE,
        MISTRAL,
        MISTRAL_TEMPLATE,
        DEEPSEEK,
        LLAMA_CPP,
    )
}
STRICTER = {family.name: family for family in (OPENAI_5_6, ANTHROPIC_PREFILL, MISTRAL_HOSTED, DEEPSEEK_THINKING)}


def family_named(name: str) -> Family:
    """Return a family; raises KeyError with the names there are."""
    known = FAMILIES | STRICTER
    if name not in known:
        raise KeyError(f"no family {name!r}; one of: {', '.join(known)}")
    return known[name]


__all__ = ["FAMILIES", "STRICTER", "Check", "Family", "estimate_tokens", "family_named"]
