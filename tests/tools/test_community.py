import sys
import types
import warnings
from typing import Any

import pytest
from pydantic import BaseModel

from fusion_graph.errors import SettingsError
from fusion_graph.tools import community
from fusion_graph.tools.community import OFFERED, check_community_tool, make_community_tool
from tests.graphs import asked, researcher, run, scripted, texts


@pytest.fixture
def wikipedia(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put a small encyclopedia in the place of the package; the questions it was asked are collected."""
    questions: list[str] = []

    def search(query: str, **_options: Any) -> list[str]:
        questions.append(query)
        return ["Tide"]

    page = types.SimpleNamespace(summary="The rise and fall of sea levels.", url="https://encyclopedia.example/Tide")
    package = types.ModuleType("wikipedia")
    vars(package).update(search=search, page=lambda **_options: page, set_lang=lambda _lang: None)
    vars(package).update(exceptions=types.SimpleNamespace(PageError=KeyError, DisambiguationError=IndexError))
    monkeypatch.setitem(sys.modules, "wikipedia", package)
    return questions


def test_a_class_is_made_with_the_wrapper_it_requires(wikipedia: list[str]) -> None:
    tool = make_community_tool("community:WikipediaQueryRun")

    text = tool.invoke({"query": "tides"})

    assert (tool.name, wikipedia) == ("wikipedia", ["tides"])
    assert "The rise and fall of sea levels." in text


def test_a_class_takes_its_key_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAVE_SEARCH_API_KEY", "canary-0123456789")

    tool = make_community_tool("community:BraveSearch")

    assert tool.name == "brave_search"
    assert "canary" not in repr(tool)


async def test_what_it_finds_reaches_the_model_of_a_seat(wikipedia: list[str]) -> None:
    models = scripted(north=researcher("wikipedia"))

    await run(models, panel=["north"], tools=[make_community_tool("community:WikipediaQueryRun")])

    assert "The rise and fall of sea levels." in texts([asked(models, "north")[1].messages[-1]])


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_every_offered_class_is_there_under_a_name_that_models_take(name: str) -> None:
    found = community._imported(name)

    assert found.model_fields["name"].default.replace("_", "").isalnum()
    check_community_tool(f"community:{name}")


@pytest.mark.parametrize(
    "name",
    ["ShellTool", "ReadFileTool", "RequestsGetTool", "NavigateTool", "GmailSendMessage", "SleepTool", "BaseTool"],
)
def test_a_class_that_can_do_more_than_look_things_up_cannot_be_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"'community:{name}' is not one that can be named") as caught:
        make_community_tool(f"community:{name}")

    assert caught.value.field == "tools"
    assert "build_fusion_graph(tools=[...])" in str(caught.value.hint)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(SettingsError) as caught:
        check_community_tool("community:WikipediaQuery")

    assert str(caught.value.hint).startswith("did you mean 'WikipediaQueryRun'?")


def test_a_missing_key_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERPER_API_KEY", raising=False)

    with pytest.raises(
        SettingsError, match=r"without arguments: Did not find serper_api_key.*SERPER_API_KEY"
    ) as caught:
        make_community_tool("community:GoogleSerperRun")

    assert "give the object" in str(caught.value.hint)


def test_a_class_that_needs_arguments_is_refused_with_the_remedy() -> None:
    with pytest.raises(SettingsError, match="cannot be made without arguments: api_key Field required") as caught:
        make_community_tool("community:MojeekSearch")

    assert "give the object" in str(caught.value.hint)


def test_a_missing_package_of_a_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wikipedia", None)

    with pytest.raises(SettingsError, match=r"needs another package: .*pip install wikipedia"):
        make_community_tool("community:WikipediaQueryRun")


def test_the_missing_package_itself_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_community", None)

    with pytest.raises(SettingsError, match="needs the package langchain-community") as caught:
        check_community_tool("community:ArxivQueryRun")

    assert caught.value.hint == "pip install 'fusion-graph[community]'"


def test_only_the_notice_that_the_package_is_sunset_is_silenced(monkeypatch: pytest.MonkeyPatch) -> None:
    def imported(_name: str) -> types.ModuleType:
        warnings.warn("`langchain-community` is being sunset and more", DeprecationWarning, stacklevel=2)
        warnings.warn("something else", DeprecationWarning, stacklevel=2)
        return types.ModuleType("never")

    community._imported.cache_clear()
    monkeypatch.setattr("importlib.import_module", imported)

    with pytest.raises(DeprecationWarning, match="something else"):
        community._imported("ArxivQueryRun")


def test_importing_the_package_makes_no_noise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == "langchain_community"]:
        monkeypatch.delitem(sys.modules, module)
    community._imported.cache_clear()

    found = community._imported("ArxivQueryRun")

    community._imported.cache_clear()
    assert issubclass(found, BaseModel)
    assert capfd.readouterr() == ("", "")
