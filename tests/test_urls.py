import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fusion_graph.errors import SettingsError
from fusion_graph.urls import MAX_URL_CHARS, canonical_url, host_of, matches, parse_rule, refusal_reason

HF = "huggingface.co"
DRACO = "huggingface.co/datasets/perplexity-ai/draco"
PAPER = "arxiv.org/abs/2602.11685"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://Example.COM", "https://example.com/"),
        ("https://example.com/#top", "https://example.com/"),
        ("https://www.example.com/a", "https://example.com/a"),
        ("https://www.com/a", "https://www.com/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("http://example.com:80/a", "https://example.com/a"),
        ("http://example.com:8080/a", "https://example.com:8080/a"),
        ("https://example.com./a", "https://example.com/a"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://example.com/a?utm_source=x&b=2&a=1&gclid=9", "https://example.com/a?b=2&a=1"),
        ("https://example.com/a?fbclid=1", "https://example.com/a"),
        ("https://example.com/a?ref_src=tw&ref=main", "https://example.com/a?ref=main"),
        ("https://example.com/a?", "https://example.com/a"),
        ("https://example.com/%7Euser/%41", "https://example.com/~user/A"),
        ("https://example.com/a%2Fb", "https://example.com/a%2Fb"),
        ("https://example.com/x/../a", "https://example.com/a"),
        ("  https://example.com/a\n", "https://example.com/a"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://arxiv.org/pdf/2602.11685v2.pdf", "https://arxiv.org/abs/2602.11685"),
        ("http://www.arxiv.org/abs/2602.11685v1?context=cs#s1", "https://arxiv.org/abs/2602.11685"),
        ("https://export.arxiv.org/html/2602.11685", "https://arxiv.org/abs/2602.11685"),
        ("https://arxiv.org/abs/hep-th/9901001v3", "https://arxiv.org/abs/hep-th/9901001"),
        ("https://arxiv.org/list/cs.AI/recent", "https://arxiv.org/list/cs.AI/recent"),
        ("https://example.com/pdf/2602.11685v2", "https://example.com/pdf/2602.11685v2"),
        ("local://notes/a%20b.md#part", "local://notes/a%20b.md"),
        ("not a url", "not a url"),
    ],
)
def test_one_address_has_one_key(url: str, key: str) -> None:
    assert canonical_url(url) == key
    assert canonical_url(key) == key


@given(
    st.text("abc.wxn-%25&?=/\\#@:[]1é。 \t\ud800"),
    st.sampled_from(["", "http://", "https://a.org/", "https://arxiv.org/abs/"]),
)
@example("?=%a1", "https://a.org/")
@example("./1", "http://")
@example("1..", "http://")
def test_no_text_is_too_odd_for_a_key_or_a_rule(text: str, start: str) -> None:
    key = canonical_url(start + text)

    assert canonical_url(key) == key
    assert isinstance(matches(HF, start + text), bool)
    refusal_reason(start + text, allowed=[PAPER], excluded=[DRACO])


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://WWW.Example.com.:8443/x", "www.example.com"),
        ("http://[::1]:80/", "[::1]"),
        ("http://2130706433/", "127.0.0.1"),
        ("local://notes.md", ""),
        ("javascript:alert(1)", ""),
        ("example.com", ""),
    ],
)
def test_a_host_is_what_a_browser_would_connect_to(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize("url", ["local://huggingface.co/notes.md", "nonsense"])
def test_a_rule_leaves_what_is_not_of_the_web_alone(url: str) -> None:
    assert not matches(HF, url)


@pytest.mark.parametrize("url", ["local://github.com/foo", "github.com/foo"])
def test_an_allowed_path_is_one_of_the_web(url: str) -> None:
    assert refusal_reason(url, allowed=["github.com/foo"]) is not None


def test_the_allowed_is_let_through_and_exclusion_wins() -> None:
    inside = "https://github.com/foo/bar?x=1"

    assert refusal_reason(inside) is None
    assert refusal_reason(inside, allowed=["example.com", "github.com/foo"]) is None
    assert "github.com/foo/bar" in str(refusal_reason(inside, allowed=["github.com"], excluded=["github.com/foo/bar"]))
    assert refusal_reason("https://web.archive.org/web/2020/https://x.example/", allowed=["archive.org"]) is None


def test_an_allowed_paper_may_be_read_in_every_form() -> None:
    assert refusal_reason("https://arxiv.org/pdf/2602.11685v2", allowed=[PAPER]) is None
    assert refusal_reason("https://arxiv.org/pdf/2602.11685v2", allowed=["arxiv.org/pdf"]) is None


@pytest.mark.parametrize("inner", ["https://x.example/", "https%3A//x.example/", "r.jina.ai/", "archive.ph/o/x/"])
def test_an_address_with_many_others_inside_is_let_through_where_nothing_is_excluded(inner: str) -> None:
    assert refusal_reason("https://r.jina.ai/" + inner * 150 + "huggingface.co/") is None


def test_an_address_without_end_is_refused_and_not_repeated() -> None:
    reason = refusal_reason("https://example.com/" + "a" * MAX_URL_CHARS)

    assert reason is not None
    assert len(reason) < 400


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ("Example.COM", "example.com"),
        (" https://example.com/ ", "example.com"),
        ("http://example.com/Some Path".replace(" ", "%20"), "example.com/Some%20Path"),
        ("*.example.com", "example.com"),
        (".example.com", "example.com"),
        ("example.com.", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("arxiv.org/abs/2602.11685", "arxiv.org/abs/2602.11685"),
        ("edu", "edu"),
    ],
)
def test_a_rule_has_one_normal_form(given: str, rule: str) -> None:
    assert parse_rule(given) == rule
    assert parse_rule(rule) == rule


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "/path",
        "two words",
        "ftp://example.com",
        "example.com:8080",
        "a@example.com",
        "example.com?q=1",
        "example.com#x",
        "ex*mple.com",
        "https://",
    ],
)
def test_what_is_no_rule_is_refused_with_its_field_and_what_is_allowed(given: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_rule(given, field="excluded_domains")

    assert caught.value.field == "excluded_domains"
    assert caught.value.value == given
    assert repr(given) in str(caught.value)
    assert "arxiv.org/abs/" in str(caught.value.hint)
