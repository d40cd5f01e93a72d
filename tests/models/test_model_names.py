"""Names: which provider a name means, and what is said about one that means none."""

import os
import subprocess
import sys

import pytest

from fusion_graph.errors import MissingKeyError, MissingPackageError, ModelLoadError
from fusion_graph.models import check_model, load_model, names, provider_of
from fusion_graph.models.names import parse_name
from fusion_graph.models.providers import INTEGRATIONS, SERVERS


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("openrouter:vendor/model", "openrouter", "vendor/model"),
        ("openrouter:vendor/model:free", "openrouter", "vendor/model:free"),
        ("openrouter:openrouter/auto", "openrouter", "openrouter/auto"),
        ("vendor/model", "openrouter", "vendor/model"),
        ("vendor/model:free", "openrouter", "vendor/model:free"),
        ("openai/gpt-5:online", "openrouter", "openai/gpt-5:online"),
        ("~anthropic/claude-opus-latest", "openrouter", "~anthropic/claude-opus-latest"),
        ("openai:gpt-5", "openai", "gpt-5"),
        ("openai:vendor/model", "openai", "vendor/model"),
        ("openai:hf.co/vendor/model:Q4_K_M", "openai", "hf.co/vendor/model:Q4_K_M"),
        ("OpenAI:gpt-5", "openai", "gpt-5"),
        ("anthropic:claude-opus", "anthropic", "claude-opus"),
        ("google-genai:gemini-pro", "google_genai", "gemini-pro"),
        ("ollama:llama3.2:3b", "ollama", "llama3.2:3b"),
    ],
)
def test_a_name_is_split_at_its_provider_and_nowhere_else(name: str, provider: str, model: str) -> None:
    assert parse_name(name) == (provider, model)
    assert provider_of(name) == provider


@pytest.mark.parametrize(("name", "provider"), [("demo:careful", "demo"), ("alpha", "alpha"), ("", "")])
def test_provider_of_takes_names_that_cannot_be_loaded(name: str, provider: str) -> None:
    assert provider_of(name) == provider


def test_a_name_without_provider_says_how_to_write_it() -> None:
    with pytest.raises(ModelLoadError, match=r"'gpt-5' names no provider") as raised:
        load_model("gpt-5")
    assert raised.value.hint == "write e.g. 'openai:gpt-5', or 'openai/gpt-5' to go through OpenRouter"


@pytest.mark.parametrize("name", ["", "openai:", "openrouter: ", "anthropic:", "openrouter"])
def test_a_name_without_a_model_cannot_be_loaded(name: str) -> None:
    with pytest.raises(ModelLoadError):
        check_model(name, {})


def test_an_unknown_provider_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(ModelLoadError, match=r"there is no provider 'antropic'") as raised:
        check_model("antropic:claude-opus", {})
    assert str(raised.value.hint).startswith("did you mean 'anthropic'? one of: anthropic, ")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic/claude-x", "OPENROUTER_API_KEY"),
        ("openrouter:anthropic/claude-x", "OPENROUTER_API_KEY"),
        ("openai:gpt-5", "OPENAI_API_KEY"),
    ],
)
def test_a_missing_key_is_named_with_the_model_that_needs_it(
    name: str, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in ("OPENROUTER_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENROUTER_BASE_URL"):
        monkeypatch.delenv(each, raising=False)
    for attempt in (check_model, load_model):
        with pytest.raises(MissingKeyError) as raised:
            attempt(name)
        assert str(raised.value) == f"{variable} is not set (needed by {name!r})"
        assert str(raised.value.hint).startswith(f"export {variable}=...")


def test_an_empty_key_counts_as_missing() -> None:
    with pytest.raises(MissingKeyError):
        check_model("vendor/model", {"OPENROUTER_API_KEY": ""})


def test_a_custom_server_for_openai_needs_no_key_but_one_of_openais_own_hosts_does() -> None:
    check_model("openai:local", {"OPENAI_BASE_URL": "http://localhost:8080/v1"})
    for url in ("https://api.openai.com/v1/", "https://eu.api.openai.com/v1"):
        with pytest.raises(MissingKeyError):
            check_model("openai:gpt-5", {"OPENAI_BASE_URL": url})


def test_an_integration_that_is_not_installed_is_named_as_pip_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda _module: None)
    for attempt in (check_model, load_model):
        with pytest.raises(MissingPackageError, match="langchain-anthropic is not installed") as raised:
            attempt("anthropic:claude-opus")
        assert raised.value.hint == "pip install langchain-anthropic"


def test_any_of_a_providers_key_variables_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda module: module)
    check_model("google_genai:gemini-pro", {"GEMINI_API_KEY": "k"})
    with pytest.raises(MissingKeyError, match="GOOGLE_API_KEY is not set"):
        check_model("google_genai:gemini-pro", {})


def test_a_provider_that_finds_its_own_credentials_is_asked_for_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "find_spec", lambda module: module)
    check_model("ollama:llama3.2:3b", {})


def test_langchain_knows_every_provider_this_package_sends_to_it() -> None:
    from langchain.chat_models import base  # noqa: PLC0415  (heavy, and this test's alone)

    for provider, integration in INTEGRATIONS.items():
        module, chat_class, _ = base._BUILTIN_PROVIDERS[provider]
        path = f"{integration.module}.{integration.submodule}".rstrip(".")
        assert (path, integration.chat_class) == (module, chat_class)
    assert not set(SERVERS) & set(INTEGRATIONS)


def test_importing_the_package_and_checking_names_loads_no_heavy_library() -> None:
    code = (
        "import sys; from fusion_graph.models import check_model, provider_of\n"
        "check_model('vendor/model', {'OPENROUTER_API_KEY': 'k'}); provider_of('a:b')\n"
        "print(sorted({'langchain', 'langchain_core', 'langchain_openai', 'openai', 'genai_prices'} & set(sys.modules)))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.strip() == "[]"
