"""Fences round what came from models and pages, and fair shares of the room for it; what stands outside, made harmless."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fusion_graph.characters import fair_shares, visible
from fusion_graph.prompts.wording import CUT

# What chat templates and reasoning formats are made of: <|im_start|>, <turn|>, DeepSeek's wide bars, [INST], [|user|],
# <<SYS>>, <s>, <BOS_TOKEN>, <extra_id_1>, <seed:bos>, ]~b], <think>.
_SPECIAL = re.compile(
    r"<(?=[|\uff5c][\w|\uff5c])|<(?=\w+[|\uff5c]>)"
    r"|<(?=<?/?SYS>)"
    r"|<(?=/?(?:s|bos|eos|pad|unk|sop|eop|(?:BOS|EOS|EOP|MASK)_TOKEN|end_of_utterance"
    r"|think|thinking|start_of_turn|end_of_turn|tool_calls?|tool_response|function_calls?)>)"
    r"|<(?=(?:extra_id|SPECIAL|reserved)_\d+>|/?(?:seed|minimax):\w+>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|THINK|gMASK)\]|\|\w+\|\]|e~\[)"
    r"|\](?=~!?b[\[\]])"
)
_FENCE = re.compile(
    r"^<<<(?P<title>[^\n]+) (?P<nonce>[0-9a-f]{10})\n(?P<body>.*?)\n(?P=nonce) (?P=title)>>>$", re.DOTALL | re.MULTILINE
)
_MARK = re.compile(r"^<<<(?=[^<\n][^\n]* [0-9a-f]{10}$)|^[0-9a-f]{10}(?= [^\n]+>>>$)", re.MULTILINE)
_NO_URL = frozenset(' <>{}"`')  # that people see, but URLs do not hold


def defused(text: str) -> str:
    """Return the text without invisible characters and with the special tokens of chat templates broken."""
    return _SPECIAL.sub(lambda match: match[0] + " ", visible(text))


def fenced(bodies: Mapping[str, str]) -> str:
    """Return the bodies, each between marks with a nonce that occurs in none of them.

    The nonce is a hash over all bodies, so no author of one of them can know it.
    """
    clean = {title: defused(body) for title, body in bodies.items()}
    everything = "\0".join([*clean, *clean.values()])
    nonce = hashlib.sha256(everything.encode()).hexdigest()[:10]
    while nonce in everything:
        nonce = hashlib.sha256(nonce.encode()).hexdigest()[:10]
    return "\n\n".join(f"<<<{title} {nonce}\n{body}\n{nonce} {title}>>>" for title, body in clean.items())


def harmless(text: str) -> str:
    """Return a model's or a tool's text as it may stand outside a fence: defused, and with marks of fences broken."""
    return _MARK.sub(lambda mark: f"{mark[0][:1]} {mark[0][1:]}", defused(text))


def one_line(text: str, max_chars: int = 0) -> str:
    """Return the text on one line, cut if there is a limit: a line of a list cannot become two."""
    line = " ".join(text.split())
    return f"{line[:max_chars]}..." if 0 < max_chars < len(line) else line


def one_word(url: str, max_chars: int) -> str:
    """Return a URL as one word: what is no visible part of a URL is percent-encoded, and so are special tokens."""
    word = "".join(c if c.isprintable() and c not in _NO_URL else quote(c, errors="replace") for c in url)
    word = _SPECIAL.sub(lambda match: quote(match[0]), word)
    return f"{word[:max_chars]}..." if max_chars < len(word) else word


def unfenced(text: str) -> dict[str, str]:
    """Return the bodies that `fenced` put into a text, by title: for what reads a prompt without a language model."""
    return {found["title"]: found["body"] for found in _FENCE.finditer(text)}


def shared_out(texts: Sequence[str], max_chars: int) -> list[str]:
    """Return the texts cut so that all fit into `max_chars`; short ones leave their share to the long ones."""
    shares = fair_shares([len(text) for text in texts], max_chars)
    return [cut(text, share) for text, share in zip(texts, shares, strict=True)]


def cut(text: str, max_chars: int) -> str:
    """Return the beginning of a text, with a note of how much was cut."""
    return text if len(text) <= max_chars else text[:max_chars] + CUT.format(count=len(text) - max_chars)
