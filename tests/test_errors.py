"""The tree of exceptions, the hints they carry, and what no message may hold."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion_graph import errors
from fusion_graph.errors import FusionError, MissingKeyError, ModelLoadError, SettingsError, did_you_mean, redact

# Exceptions


def test_the_tree_in_the_docstring_is_the_tree_of_the_module() -> None:
    drawn = re.findall(r"^(.*?)(\w+Error)\b", errors.__doc__ or "", flags=re.MULTILINE)
    depths = {name: len(branch) // 4 for branch, name in drawn if "`" not in branch}
    real = {
        name: len(kind.__mro__) - len(FusionError.__mro__)
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, FusionError)
    }

    assert depths == real


def test_a_hint_stands_beside_the_message_not_in_it() -> None:
    error = SettingsError("mode = 'x'", field="mode", value="x", hint="one of: 'always'")

    assert (str(error), error.hint, error.field, error.value) == ("mode = 'x'", "one of: 'always'", "mode", "x")
    assert ModelLoadError("no model").hint is None


def test_a_subclass_may_bring_a_hint_of_its_own_that_an_instance_overrides() -> None:
    class PausedError(FusionError):
        hint = "resume it"

    assert PausedError("paused").hint == "resume it"
    assert PausedError("paused", hint="wait").hint == "wait"


def test_a_missing_key_is_caught_as_a_model_that_cannot_be_loaded() -> None:
    with pytest.raises(ModelLoadError, match="OPENAI_API_KEY is not set"):
        raise MissingKeyError("OPENAI_API_KEY is not set")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("qualty", "did you mean 'quality'? one of: budget, quality"),
        ("zzz", "one of: budget, quality"),
    ],
)
def test_the_nearest_name_is_suggested_before_all_names(value: str, hint: str) -> None:
    assert did_you_mean(value, ["quality", "budget"]) == hint


# Secrets

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Incorrect API key provided: sk-proj-AbC123_x-yZ456789.", "Incorrect API key provided: [redacted]."),
        ("Incorrect API key provided: 3f9a77bc11de", "Incorrect API key provided: [redacted]"),
        (f"key 'sk-or-v1-{HEX}'", "key '[redacted]'"),
        ("sk-ant-api03-AAAA_bbbb-cccc1234", "[redacted]"),
        ("sk_live_abcdEFGH1234", "[redacted]"),
        (f"pk-lf-{HEX}", "[redacted]"),
        ("gsk_abcdefghij0123456789", "[redacted]"),
        ("xai-abcdefghij0123456789", "[redacted]"),
        ("tvly-dev-abcdefghij0123456789", "[redacted]"),
        ("pplx-abcdefghij0123456789", "[redacted]"),
        (f"lsv2_pt_{HEX}_0123456789", "[redacted]"),
        ("hf_abcdefghijKLMNOPQRSTUVWXYZ01", "[redacted]"),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]"),
        ("github_pat_11ABCDEFG0abcdefghij_klmnop", "[redacted]"),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted]"),
        ("a JWT eyJhbGciOiJI.eyJzdWIiOiIx.SflKxw, expired", "a JWT [redacted], expired"),
        ("GET /v1?key=AIzaSyA1234567890abcdefghijklmnopqrst&alt=sse", "GET /v1?key=[redacted]&alt=sse"),
        ("GET /v1?q=x&token=abcdefgh&n=1", "GET /v1?q=x&token=[redacted]&n=1"),
        ("Authorization: Bearer abc.def.123456", "Authorization: Bearer [redacted]"),
        ("{'authorization': 'Basic dXNlcjpwYXNzd29yZA=='}", "{'authorization': 'Basic [redacted]'}"),
        ("sent bearer 0123abcd4567efgh to it", "sent bearer [redacted] to it"),
        ("{'x-api-key': 'abcdef1234567'}", "{'x-api-key': '[redacted]'}"),
        ('{"api_key": "abcdef1234567"}', '{"api_key": "[redacted]"}'),
        ("Client(api_key='hunterhunter', n=1)", "Client(api_key='[redacted]', n=1)"),
        ("access_token=abcdefgh&scope=x", "access_token=[redacted]&scope=x"),
        ("host=db password=swordfish", "host=db password=[redacted]"),
        ("postgres://me:p@ss@db.example/x", "postgres://[redacted]@db.example/x"),
        ("redis://:topsecret@cache:6379/0", "redis://[redacted]@cache:6379/0"),
        ("https://abcdefghijklmnop1234@github.com/x", "https://[redacted]@github.com/x"),
    ],
)
def test_secrets_of_every_shape_are_blanked_and_what_is_around_them_stays(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "OPENAI_API_KEY: environment variable missing",
        "pass api_key to the client, or set api_key: required",
        "bearer authentication is required; a basic gpt-4.1-mini model has none",
        "Bearer tokens. Bearer 2024-05-01. Bearer https://example.com/a?b=12345678",
        "unexpected token: 'identifier99', max_tokens=16000, total tokens: 123456789",
        "password: must be at least 8 characters",
        "task-2024-assessment-123456 and risk-1234567890123 and disk_0123456789abcdef",
        "sk-learn-contrib is not installed",
        "no model xai-grok-4-fast-reasoning, jina-embeddings-v3-base or hf-internal-testing/tiny-gpt2",
        "cloned git+ssh://git@github.com/a/b and https://medium.com/@someone_with_a_name/post",
        "http://localhost:8000?user=me@example.org",
        "https://example.com:8080/a@b and someone.with.a.long.name@example.org",
        "https://arxiv.org/abs/2602.11685v2?key=short",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8, run 3b241101-e2bb-4255-8caf-4136c566a962",
    ],
)
def test_what_only_resembles_a_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


_ORDINARY = """
the model api key token bearer basic secret password sk- sk-1 429 2024-05-01 rate_limited gpt-5.5 [1] ~openai/gpt-latest
https://example.com/a?b=c&d=e#f max_tokens=100 'quoted' (see docs) 研究 naïve x@y.org {'error': None}
"""
_WORDS = st.sampled_from(_ORDINARY.split()) | st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=7)


@given(st.lists(_WORDS, max_size=30).map(" ".join))
def test_ordinary_text_is_never_garbled(text: str) -> None:
    assert redact(text) == text


@given(
    before=st.text(max_size=20),
    key=st.from_regex(r"sk-[A-Za-z0-9]{20,40}[0-9]", fullmatch=True),
    after=st.text(max_size=20),
)
def test_a_key_is_found_in_any_surroundings_and_nothing_is_redacted_twice(before: str, key: str, after: str) -> None:
    clean = redact(f"{before} {key} {after}")

    assert key not in clean
    assert redact(clean) == clean


@given(
    st.text(alphabet="abAB01:/@=?&-_. \"'[]", max_size=60).map(
        lambda text: f"https://{text} api_key={text} bearer {text}"
    )
)
def test_redacting_again_changes_nothing(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "name", ["SOME_KEY", "GITHUB_TOKEN", "APP_SECRET", "PGPASSWORD", "MAIL_PASSWD", "OLD_API_KEY_2", "keys_token"]
)
def test_the_values_of_secret_variables_are_blanked_wherever_they_stand(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "swordfish\n")

    assert redact("is-swordfish-right?") == "is-[redacted]-right?"


def test_each_of_several_keys_in_one_variable_is_blanked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_API_KEYS", "swordfish, trombone-b")

    assert redact("swordfish or trombone-b") == "[redacted] or [redacted]"
    assert redact("swordfish, trombone-b") == "[redacted]"


def test_a_secret_that_another_begins_with_leaves_no_rest_of_the_longer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "swordfish")
    monkeypatch.setenv("B_KEY", "swordfish-and-chips")

    assert redact("swordfish-and-chips") == "[redacted]"


def test_a_secret_has_eight_characters_or_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "hunter22")
    monkeypatch.setenv("B_KEY", "trumpet")

    assert redact("hunter22 plays the trumpet") == "[redacted] plays the trumpet"


@pytest.mark.parametrize("value", ["", " ", "1", "true", "none", "a,b,c", "enabled"])
def test_values_too_short_for_a_secret_are_left_alone(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "true, none, a, b, c and 1 are enabled"
    monkeypatch.setenv("USE_API_KEY", value)

    assert redact(text) == text


def test_other_variables_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYBOARD_LAYOUT", "colemak-dh")

    assert redact("the layout is colemak-dh") == "the layout is colemak-dh"


def test_a_secret_that_is_part_of_the_mark_does_not_garble_the_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ODD_KEY", "redacted")
    monkeypatch.setenv("A_KEY", "swordfish")

    assert redact("swordfish") == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "sk-",
        "hf_",
        "eyJ-",
        "eyJabcdefgh.",
        "bearer ",
        "api_key:",
        "api_key: ",
        "password=",
        "://a:",
        "?key=",
        "authorization: x ",
    ],
)
def test_hostile_text_is_redacted_in_reasonable_time(text: str) -> None:
    started = time.perf_counter()

    redact(text * 20_000)

    assert time.perf_counter() - started < 5
