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


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        (HF, "https://huggingface.co/"),
        (HF, "https://huggingface.co:8443/x"),
        (HF, "https://datasets-server.huggingface.co/rows"),
        (HF, "https://HUGGINGFACE.CO/x"),
        (HF, "https://huggingface.co./x"),
        (HF, "https://huggingface.co%2e/x"),
        (HF, "https://hugging%66ace.co/x"),
        (HF, "https://huggingface。co/x"),
        (HF, "https://\uff48ugging\uff46ace.co/x"),
        (HF, "https://hugging\u00adface.co/x"),
        (HF, "https:\\\\huggingface.co\\x"),
        (HF, "https://user@huggingface.co/x"),
        (HF, "https://hf.co/x"),
        (HF, "https://hf-mirror.com/datasets/x"),
        ("www.example.com", "https://example.com/x"),
        ("example.com", "https://www.example.com/x"),
        ("bücher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai/draco"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai/draco/viewer?p=1"),
        (DRACO, "https://huggingface.co/datasets/Perplexity-AI/DRACO/"),
        (DRACO, "https://huggingface.co/x/../datasets//perplexity-ai/./draco"),
        (DRACO, "https://huggingface.co/datasets/perplexity%2Dai/dr%2561co"),
        (DRACO, "https://huggingface.co/datasets%2Fperplexity-ai%2Fdraco"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai/draco/%252e%252e/other"),
        (PAPER, "https://arxiv.org/abs/2602.11685v3"),
        (PAPER, "https://arxiv.org/pdf/2602.11685v1.pdf"),
        (PAPER, "https://export.arxiv.org/html/2602.11685"),
        ("arxiv.org/abs/2602.11685v1", "https://arxiv.org/abs/2602.11685"),
        ("arxiv.org/pdf", "https://arxiv.org/pdf/2602.11685"),
        (HF, "https://web.archive.org/web/2026id_/https://huggingface.co/x"),
        (HF, "https://web.archive.org/web/2026/huggingface.co/x"),
        (HF, "https://web.archive.org/save/https:/huggingface.co/x"),
        (HF, "https://archive.ph/newest/https://huggingface.co/x"),
        (HF, "https://archive.is/2026.01.02-030405/huggingface.co/x"),
        (HF, "https://r.jina.ai/https://huggingface.co/x"),
        (HF, "https://r.jina.ai/huggingface.co/x"),
        (HF, "https://r.jina.ai/https%3A%2F%2Fhuggingface.co%2Fx"),
        (HF, "https://huggingface-co.translate.goog/x?_x_tr_sl=en"),
        ("a-b.example", "https://a--b-example.translate.goog/"),
        (HF, "https://translate.google.com/translate?sl=auto&u=huggingface.co/x"),
        (HF, "https://huggingface-co.cdn.ampproject.org/c/s/huggingface.co/x"),
        (HF, "https://www.google.com/amp/s/huggingface.co/x"),
        (HF, "https://www.google.com/url?sa=t&q=https%3A%2F%2Fhuggingface.co%2Fx&usg=1"),
        (HF, "https://www.google.de/url?url=https://huggingface.co"),
        (HF, "https://duckduckgo.com/l/?uddg=https%253A%252F%252Fhuggingface.co%252Fx"),
        (HF, "https://some-proxy.example/fetch?target=https://huggingface.co/x"),
        (DRACO, "https://web.archive.org/web/2026/https://r.jina.ai/https://hf.co/datasets/perplexity-ai/draco"),
    ],
)
def test_a_rule_covers_its_site_however_the_address_is_written(rule: str, url: str) -> None:
    assert matches(rule, url)
    assert rule in str(refusal_reason(url, excluded=[rule]))


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        (HF, "https://nothuggingface.co/"),
        (HF, "https://huggingface.co.evil.example/"),
        (HF, "https://huggingface.com/"),
        (HF, "https://example.com/huggingface.co"),
        (HF, "https://example.com/?q=huggingface.co"),
        (HF, "https://www.google.com/search?q=huggingface.co"),
        ("www.example.com", "https://blog.example.com/"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai/draco-2"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai"),
        (DRACO, "https://huggingface.co/datasets/perplexity-ai/draco/../other"),
        (PAPER, "https://arxiv.org/abs/2602.11686"),
        (PAPER, "https://arxiv.org/abs/2602.1168"),
        (PAPER, "https://example.com/abs/2602.11685"),
        (HF, "local://huggingface.co/notes.md"),
        (HF, "nonsense"),
    ],
)
def test_a_rule_leaves_other_addresses_alone(rule: str, url: str) -> None:
    assert not matches(rule, url)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/foobar",
        "https://github.com/",
        "https://github.com/foo/%2e%2e/bar",
        "https://github.com/foo/%252e%252e/bar",
        "https://github.com/foo%2f..%2fbar",
        "https://github.com.evil.example/foo",
        "https://r.jina.ai/https://github.com/foo",
        "local://github.com/foo",
        "github.com/foo",
    ],
)
def test_an_allowed_path_is_not_left_by_tricks_of_spelling(url: str) -> None:
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
def test_an_address_that_hides_another_behind_many_is_refused(inner: str) -> None:
    crowded = "https://r.jina.ai/" + inner * 150 + "huggingface.co/"

    assert refusal_reason(crowded, excluded=[HF]) is not None
    assert refusal_reason(crowded) is None


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
