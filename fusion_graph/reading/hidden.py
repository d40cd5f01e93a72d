"""What of a page nobody sees, as far as the page says so itself: by its elements, attributes and styles.

Style sheets that would have to be fetched, and what scripts do, are not known here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from resiliparse.parse.html import DocumentNode, ElementNode

_UNSEEN = "script style template noscript nav svg canvas iframe object embed video audio button select textarea".split()  # noqa: SIM905 - a word list
_PERHAPS_UNSEEN = ",".join([*_UNSEEN, "dialog", "[hidden]", "[aria-hidden=true]", "[style]"])
_SHOWN_LATER = frozenset({"html", "body"})  # by scripts
_MAX_CSS = 200_000  # characters of a page's style sheets that are looked at
_COMPOUND = 10**6  # rules that a page has not got: what a longer selector says wins over a simple one

# All patterns read styles without blanks, in lower case. None can be read in two ways: styles are strangers' as well.
_NOISE = re.compile(
    r"""(?s)/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|<!--|-->"""  # comments and strings
)
_ESCAPE = re.compile(r"(?is)\\(?:([0-9a-f]{1,6})\s?|(.))")
_ZERO = r"0(?:\.0*)?(?:px|r?em|pt|%)?(?=[;!]|$)"
_HIDING = re.compile(
    rf"(?<![\w-])(?:display:none|visibility:(?:hidden|collapse)|(?:opacity|font-size|scale):{_ZERO})"
    r"|(?:left|(?<!margin-)top|text-indent):-\d{3,}|clip:rect\((?:0(?:px)?,?){4}\)"
    r"|scale(?:3d|[xy])?\(0(?:\.0*)?[,)]|clip-path:(?:inset\((?:100%|[5-9]\d%\))|circle\(0)"
)
_SHOWING = re.compile(r"(?<![\w-])(?:display:|visibility:visible|opacity:|animation)")  # of styles that do not hide
_NO_HEIGHT = re.compile(rf"(?<![\w-])height:{_ZERO}")
_COLOUR = re.compile(r"(?<![\w-])(background|color)(?:-color)?:(#?\w+(?:\([^;()]*\))?)")
_TRANSPARENT = re.compile(r"transparent|rgba\((?:[\d.]+,){3}0(?:\.0*)?\)")
_OF_OTHERS = {"inherit", "initial", "unset", "revert", "currentcolor"}
_NAMED = {"white": "#fff", "black": "#000"}
_DOUBLED = re.compile(r"#(.)\1(.)\2(.)\3$")

_BRACE = re.compile(r"[{}]")
_NAME = re.compile(r"[.#](?:[\w-]|\\.)+")
_SIMPLE = re.compile(rf"(?:[A-Za-z][A-Za-z0-9]*)?{_NAME.pattern}")
_COMBINATOR = re.compile(r"[\s>+~]+")


def every(page: DocumentNode, selector: str) -> Sequence[ElementNode]:
    """Return the elements that a selector finds, copied: resiliparse's own list takes its square in time to go through."""
    return page.query_selector_all(selector)[:]


def remove_hidden(page: DocumentNode) -> None:
    """Take out of the page the elements that nobody sees, with all that is in them."""
    places = _read_sheet("\n".join(_sheets(page)))
    perhaps = f"{_PERHAPS_UNSEEN},[class],[id]" if places else _PERHAPS_UNSEEN
    for node in every(page, perhaps):
        if node.parent and node.tag not in _SHOWN_LATER and _is_unseen(node, places):
            node.parent.remove_child(node)  # not decompose: that frees the nodes inside, which come next here


def _is_unseen(node: ElementNode, places: Mapping[str, int]) -> bool:
    if node.tag in _UNSEEN or node.hasattr("hidden") or node.getattr("aria-hidden") == "true":
        return True
    if node.tag == "dialog" and not node.hasattr("open"):
        return True
    style = node.getattr("style") or ""
    return hides(style) or (_is_hidden_by_sheet(node, places) and not _SHOWING.search(_plain(style)))


def hides(style: str) -> bool:
    """Say whether nobody sees text in this style: a list of declarations."""
    said = _plain(style)
    return _HIDING.search(said) is not None or _has_no_colour(said) or _has_no_height(said)


def _plain(css: str) -> str:
    return "".join(_unescaped(_NOISE.sub("", css)).split()).lower()


def _unescaped(css: str) -> str:
    return _ESCAPE.sub(lambda found: chr(min(int(found[1], 16), 0x10FFFF)) if found[1] else found[2], css)


def _has_no_colour(said: str) -> bool:
    if "clip:text" in said:  # the background shows in the shape of the letters
        return False
    stated = {name: _DOUBLED.sub(r"#\1\2\3", _NAMED.get(colour, colour)) for name, colour in _COLOUR.findall(said)}
    colour = stated.get("color", "inherit")
    return _TRANSPARENT.fullmatch(colour) is not None or (colour == stated.get("background") not in _OF_OTHERS)


def _has_no_height(said: str) -> bool:
    # With a padding it is how pages keep the shape of a picture.
    return "overflow:hidden" in said and "padding" not in said and _NO_HEIGHT.search(said) is not None


def _sheets(page: DocumentNode) -> Iterator[str]:
    for sheet in every(page, "style"):
        media = (sheet.getattr("media") or "all").strip().lower()
        if media in {"all", "screen"} and not sheet.closest("noscript"):
            yield sheet.text or ""


def _read_sheet(css: str) -> dict[str, int]:
    """Return at what place in the sheet a name was hidden last, or below zero if it was shown after that.

    A name is `.class` or `#id`, with or without a tag before it. This is no cascade: other selectors hide nothing, but
    show whatever they name, and what is in a block such as @media does not hide.
    """
    places: dict[str, int] = {}
    for place, (selectors, declarations, is_nested) in enumerate(_rules(_NOISE.sub("", css[:_MAX_CSS])), 1):
        if hides(declarations):
            simple = () if is_nested else filter(_SIMPLE.fullmatch, selectors)
            places.update((_name(selector), place) for selector in simple)
        elif _SHOWING.search(_plain(declarations)):
            for selector in selectors:
                places.update(_shown(selector, place))
    return places


def _shown(selector: str, place: int) -> Iterator[tuple[str, int]]:
    if _SIMPLE.fullmatch(selector):
        yield _name(selector), -place
    else:
        yield from ((_name(name), -place - _COMPOUND) for name in _NAME.findall(_COMBINATOR.split(selector)[-1]))


def _rules(css: str) -> Iterator[tuple[list[str], str, bool]]:
    """Yield the selectors and the declarations of each rule, and whether it stands in the block of another."""
    heads: list[str] = []
    begun = 0
    for brace in _BRACE.finditer(css):
        piece, begun = css[begun : brace.start()], brace.end()
        if brace[0] == "{":
            heads.append(piece.rpartition(";")[2])
        elif heads:
            yield [selector.strip() for selector in heads.pop().split(",")], piece, bool(heads)


def _name(selector: str) -> str:
    tag, mark, name = re.split(r"([.#])", selector, maxsplit=1)
    return f"{tag.lower()}{mark}{_unescaped(name)}"


def _is_hidden_by_sheet(node: ElementNode, places: Mapping[str, int]) -> bool:
    if not places:
        return False
    names = [f".{name}" for name in node.class_list] + [f"#{node.id}"]
    found = (places.get(spelt, 0) for name in names for spelt in (name, f"{node.tag}{name}"))
    return max(found, key=abs) > 0
