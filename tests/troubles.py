"""What the program says when something does not work, and what to do then: README's table, each row with what provokes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

QUESTION = "Why?"
LOCAL = ("--panel", "openai:one,openai:two", "--judge", "openai:three", "--writer", "openai:four")


@dataclass(frozen=True)
class Trouble:
    """A part of an error, as it is said; the remedy; and a command that meets it, with its environment."""

    said: str
    then: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)


TROUBLES = [
    Trouble(
        "OPENROUTER_API_KEY is not set (needed by ...)",
        "the preset's models are OpenRouter's: export its key, name models you can reach (`--panel`, `--judge`, `--writer`, "
        "or a preset of your own), or try `fusion demo`",
        ("ask", QUESTION),
    ),
    Trouble(
        "'gpt-5.5' names no provider",
        "write `openai:gpt-5.5`, or `openai/gpt-5.5` to go through OpenRouter",
        ("ask", QUESTION, "--panel", "gpt-5.5", "--judge", "openai:three"),
    ),
    Trouble(
        "langchain-anthropic is not installed",
        "each provider's integration is a package of its own: install it beside this one",
        ("ask", QUESTION, "--panel", "anthropic:claude-opus-4.8", "--judge", "openai:three"),
        {"ANTHROPIC_API_KEY": "a-key"},
    ),
    Trouble(
        "unknown preset 'qualty'",
        "`fusion presets` lists them, your own included; `fusion check` prints where your own are looked for",
        ("ask", QUESTION, "--preset", "qualty"),
    ),
    Trouble(
        "no price is known for ...",
        "a budget cannot be kept with prices nobody knows: `--price-ceiling 20` takes them for $20 per million tokens",
        ("ask", QUESTION, *LOCAL, "--max-cost", "1"),
    ),
    Trouble(
        "web_search is not offered",
        "the panel answers without searching: set `FUSION_SEARCH`, or install the extra `ddgs`",
        ("ask", QUESTION, *LOCAL),
        {"FUSION_SEARCH": "none"},
    ),
    Trouble(
        "bash is not offered",
        "`apt install bubblewrap`, allow user namespaces, or install the extra `bashkit` ([Tools](#tools))",
        ("ask", QUESTION, *LOCAL, "--tools", "bash"),
        {"FUSION_BASH": "none"},
    ),
    Trouble(
        "there is no tool 'web_serch'",
        "the hint lists what there is; tools of MCP servers are `mcp:SERVER`, of langchain-community `community:CLASS`",
        ("ask", QUESTION, *LOCAL, "--tools", "web_serch"),
    ),
    Trouble(
        "cannot be reached",
        "the server of `--db` or `FUSION_DB` is away, or its address is another one; nothing was asked, nothing paid",
        ("ask", QUESTION, *LOCAL, "--db", "postgresql://fusion@127.0.0.1:9/fusion"),
    ),
    Trouble(
        "there is no run 'feed'",
        "ids may be shortened as far as they are unique; runs are looked for in one database: `--db`, or `FUSION_DB`",
        ("runs", "show", "feed"),
    ),
    Trouble(
        "is open to others, and there is no API key",
        "set `FUSION_API_KEYS` before you let others in, or leave `--host` out",
        ("serve", "--host", "0.0.0.0"),  # noqa: S104  (refused)
    ),
]
