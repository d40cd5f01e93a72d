"""What an answer says of its own author, taken out: a blind comparison is no longer blind to `I am vendor/model`.

Only sentences in which an author names itself are changed, and only the name in them. Which model it really is does not
matter: that it claims to be one is what sways a judge. What an answer says about models stays as it is.
"""

import re

from fusion_graph.prompts.wording import A_MAKER, A_MODEL

_MARKUP = r"[*_`\"']{0,3}"
# vendor/model, provider:model, gpt-5, o3, Qwen3-Max, Claude Sonnet 4.5, Gemini 2.5 Pro; no word without a mark or a digit
_NAME = (
    r"(?:[A-Za-z][\w.-]*(?:[/:][\w.-]*\w)+|[A-Za-z]+(?:-[A-Za-z]+)*-?\d(?:[\w.-]*\w)?"
    r"|(?:[A-Z]\w+ ){1,3}\d(?:[\w.]*\w)?)(?: [A-Z][a-z]+)?"
)
_I_AM = r"\b(?:[Ii] am|[Ii]['\u2019]m|[Mm]y (?:model|name|model name) is|[Ss]peaking as)"
_END = r"(?=\s*(?:[.,;:!?)\n\u2014]|and\b|\Z))"
_ITSELF = re.compile(
    rf"(?P<before>{_I_AM} (?:called |the model |the )?{_MARKUP}){_NAME}(?={_MARKUP}{_END})"
    rf"|(?P<named>{_I_AM} {_MARKUP})[A-Z][\w.-]*(?: [\w.-]+){{0,3}}(?=,{_MARKUP} an? [^.\n]{{0,40}}\b(?:model|assistant)\b)"
    rf"|(?P<role>\bAs {_MARKUP}){_NAME}(?={_MARKUP}, I\b)"
)
_ITS_MAKER = re.compile(
    rf"(?P<before>(?:{_I_AM}|\bAs)[^.\n]{{0,60}} (?:model|assistant),? (?:\w+ )?(?:by|from) )[A-Z]\w+(?: [A-Z]\w+)?"
)


def without_self(text: str) -> str:
    """Return an answer with `[a model]` in the place of the name that its author gives itself, `[its maker]` of its maker's."""
    without_name = _ITSELF.sub(lambda found: found[found.lastgroup or 0] + A_MODEL, text)
    return _ITS_MAKER.sub(lambda found: found["before"] + A_MAKER, without_name)
