"""What HTML of a rendered text may hold: the last word, whatever came before."""

import nh3

_BLOCKS = ["p", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "table"]
_TAGS = {
    "li",
    "pre",
    "code",
    "em",
    "strong",
    "s",
    "hr",
    "br",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "a",
    "span",
    "div",
    "mark",
}
_CITES = {"data-source", "title"}
_CITE_VALUES = {"data-status": {"read", "seen", "unverified"}, "data-support": {"not_found"}}
_ATTRIBUTES = {"a": {"href", *_CITES}, "span": _CITES, "ol": {"start"}}
_VALUES: dict[str, dict[str, set[str]]] = {
    "a": {"class": {"cite"}, "rel": {"noopener noreferrer nofollow"}, "target": {"_blank"}, **_CITE_VALUES},
    "span": {"class": {"cite", "host"}, **_CITE_VALUES},
    "div": {"class": {"scroll"}, "tabindex": {"0"}, "role": {"group"}, "aria-label": {"Table", "Code"}},
    "pre": {"dir": {"ltr"}},
    **{cell: {"data-align": {"left", "center", "right"}} for cell in ("th", "td")},
    **{block: {"dir": {"auto"}} for block in _BLOCKS},
}


def clean(html: str) -> str:
    """Return HTML with the tags and attributes that rendering writes, and no others."""
    return nh3.clean(
        html,
        tags={*_BLOCKS, *_TAGS},
        attributes=_ATTRIBUTES,
        tag_attribute_values=_VALUES,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
