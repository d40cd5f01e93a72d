import pytest

from fusion_graph.reading import html as html_text
from fusion_graph.reading.html import read_html

PAGE = """<!DOCTYPE html>
<html lang="en"><head><title> The  Tide
 Tables </title><meta property="article:published_time" content="2024-05-06">
<link rel="canonical" href="https://example.org/tides"><style>p { color: red }</style></head>
<body style="opacity: 0"><nav><ul><li>Home</li></ul></nav>
<h1>High   water</h1>
<p>The moon&nbsp;pulls, says <a href="/x">the&#32;almanac</a>.<br>Twice a day.
<p>Second paragraph<div>a block ends it</div>
<ul><li>spring tide<li>neap tide</ul>
<table><tr><th>Port</th><th>Metres</th></tr><tr><td>Brest</td><td>7.2</td></tr></table>
<pre>if x:
    y   = 1</pre>
<script>var tracking = "<p>not text</p>";</script>
<!-- a comment -->
<svg><title>An icon</title><path d="M0"/><circle/></svg>
<h2>End</h2></body></html>"""


def test_a_page_keeps_what_a_reader_sees_in_its_shape() -> None:
    page = read_html(PAGE)

    assert page.title == "The Tide Tables"
    assert page.published == "2024-05-06"
    assert page.canonical == ("https://example.org/tides",)
    assert page.text == (
        "# High water\n\nThe moon pulls, says the almanac.\nTwice a day.\n\nSecond paragraph\n\na block ends it\n"
        "  - spring tide\n  - neap tide\nPort | Metres\nBrest | 7.2\nif x:\n    y   = 1\n\n## End"
    )


@pytest.mark.parametrize(
    "hidden",
    [
        "<p hidden>SECRET</p>",
        "<p hidden>SECRET<p>",
        "<div hidden>a <b>SECRET</b></div>",
        "<div hidden/>SECRET</div>",
        '<div aria-hidden="true">SECRET</div>',
        '<span style="display:none">SECRET</span>',
        '<span style="color:red; DISPLAY : none !important">SECRET</span>',
        '<span style="visibility: hidden">SECRET</span>',
        '<span style="font-size:0">SECRET</span>',
        '<span style="opacity: 0.0;">SECRET</span>',
        "<script>SECRET</script>",
        "<SCRIPT>SECRET</SCRIPT >",
        "<style>SECRET</style>",
        "<template><p>SECRET</p></template>",
        "<noscript>SECRET</noscript>",
        "<nav><a>SECRET</a></nav>",
        "<!-- SECRET -->",
        "<button>SECRET</button>",
        "<svg><g><text>SECRET</text></g></svg>",
        "<div hidden><img><br><input>SECRET</div>",
        "<div hidden><p hidden>SECRET<span style='display:none'>SECRET</span></p></div>",
        '<p style="position:absolute; left:-9999px">SECRET</p>',
        '<p style="clip: rect(0, 0, 0, 0)">SECRET</p>',
    ],
)
def test_hidden_text_is_left_out_and_what_follows_is_not(hidden: str) -> None:
    text = read_html(f"<body><p>before</p>{hidden}<p>after</p></body>").text

    assert "SECRET" not in text
    assert text.split() == ["before", "after"]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p>\n\n<p>b</p>", "a\n\nb"),
        ("a<b> b </b> <i> c</i>", "a b c"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul>\n <li><p>a</p></li>\n <li> b <ul><li>c</ul></ul>d", "- a\n\n  - b\n    - c\nd"),
        ("<h3></h3><p>a</p><li></li>b", "a\n\n  - b"),
        ("<table> <tr> <td>a</td> <td>b</td> </tr> <tr><td></td><td>c<td>d</table>e", "a | b\n | c | d\ne"),
        ("<table><tr><td>a<td><td>c<tr><td>d<td></table>e", "a |  | c\nd\ne"),
        ("<pre>\n a\n\n\n\n b </pre>c", "a\n\n\n\n b\nc"),
    ],
)
def test_blocks_items_and_cells_keep_their_places(html: str, text: str) -> None:
    assert read_html(html).text == text


def test_text_is_not_hidden_by_half_a_style() -> None:
    assert read_html('<p style="opacity:0.5;font-size:0.9em">seen</p>').text == "seen"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain & simple", "plain & simple"),
        ("AT&T", "AT&T"),
        ("a < b and c > d", "a < b and c > d"),
        ("</div></p>x", "x"),
        ("<p>seen<a href='", "seen"),
        ("<p>seen<!-- never closed", "seen"),
        ("seen<script>never closed", "seen"),
        ("", ""),
    ],
)
def test_a_broken_page_gives_what_there_is(html: str, text: str) -> None:
    assert read_html(html).text == text


def test_of_an_article_the_menus_and_the_imprint_are_left_out_and_its_tables_are_not() -> None:
    story = "".join(
        f"<p>In the year 19{year} the bridge was painted by {year} men in all.</p>" for year in range(20, 40)
    )
    html = (
        "<body><div class=menu><a href=/>Home</a><a href=/shop>Buy</a></div><article><h1>The bridge</h1>"
        f"{story}<table><tr><th>Year<th>Cost<tr><td>1932<td>5,000</table></article><footer>Imprint</footer></body>"
    )

    lines = read_html(html).text.split("\n")

    assert lines[0] == "# The bridge"
    assert "In the year 1925 the bridge was painted by 25 men in all." in lines
    assert "| 1932 | 5,000 |" in [line.strip() for line in lines]
    assert not {"Home", "Buy", "Imprint"} & set(lines)


def test_where_only_a_corner_looks_like_an_article_the_whole_page_is_given() -> None:
    rows = "".join(f"<div><span>Port {number}</span> <span>{number}.5 m</span></div>" for number in range(200))

    text = read_html(f"<body><p>Heights of the tide, as they were measured last year.</p>{rows}</body>").text

    assert "Port 7 7.5 m" in text
    assert "Port 199 199.5 m" in text


def test_a_date_is_found_in_linked_data_too() -> None:
    html = '<script type="application/ld+json">{"@type": "Article", "datePublished": "2023-02-01"}</script><p>x</p>'

    assert read_html(html).published == "2023-02-01"


@pytest.mark.parametrize("piece", ["<a ", "</a", "<!--", "<![CDATA[", '<a b="', "<", "<p>", "<b> </b>", " \t", "&"])
@pytest.mark.timeout(60)  # minutes, if it took the square of the page
def test_a_page_made_to_be_slow_is_read(piece: str) -> None:
    html = f"<p>first</p><p>{piece}" + piece * (300_000 // len(piece))

    assert read_html(html).text.startswith("first")


def test_a_page_without_end_is_marked_as_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_text, "_MAX_HTML", 50)

    text = html_text.read_html("<p>word " * 10).text

    assert text.count("word") == 6
    assert text.endswith("[the rest of this document was too long to read]")
