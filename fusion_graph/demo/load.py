"""The demo's models by name, and the tools its seats have."""

from collections.abc import Mapping
from pathlib import Path

from langchain_core.messages import SystemMessage

from fusion_graph.demo.judge import compare
from fusion_graph.demo.panelist import Style, research
from fusion_graph.demo.text import terms
from fusion_graph.demo.writer import NOTICE, write
from fusion_graph.errors import ModelLoadError, SettingsError, did_you_mean
from fusion_graph.models.scripted import ScriptedModel, ScriptedReply, ScriptedRequest
from fusion_graph.prompts import FUSION_TOOL_NAME, unfenced, wording
from fusion_graph.tools import PanelTools, make_panel_tools

DEMO = "offline demo: no language model"
CORPUS = Path(__file__).parent / "corpus"
CORPUS_VARIABLE = "FUSION_DEMO_CORPUS"
_KEPT = ("FUSION_BASH", "FUSION_HOME", "PATH")  # of the environment, for the tools that are the machine's
_STYLES = {
    "careful": Style(first=0, pages=3),
    "brisk": Style(first=1, pages=2),
    "sceptic": Style(first=2, pages=3),
    "judge": Style(first=0, pages=3),
    "writer": Style(first=0, pages=3),
}
_SECONDS = 0.4  # that a call takes before it speaks, so that one can watch the panel
_SECONDS_PER_WORD = 0.01


def check_demo_model(name: str) -> None:
    """Raise ModelLoadError if the demo has no model of this name."""
    known = name.casefold().removeprefix("demo:")
    if known not in _STYLES:
        raise ModelLoadError(f"{name!r} is no model of the demo", hint=did_you_mean(known, _STYLES))


def load_demo_model(name: str) -> ScriptedModel:
    """Return the demo's model of a name. Raises ModelLoadError."""
    check_demo_model(name)
    style = _STYLES[name.casefold().removeprefix("demo:")]
    return ScriptedModel(script=lambda request: _paced(_play(request, style)), model_name=name)


def demo_tools(environ: Mapping[str, str]) -> PanelTools:
    """Return the tools of the demo's seats: search and fetch over its corpus, or the folder FUSION_DEMO_CORPUS names.

    Raises:
        SettingsError: there is no such folder.
    """
    folder = Path(environ.get(CORPUS_VARIABLE, "").strip() or CORPUS).expanduser()
    if not folder.is_dir():
        raise SettingsError(
            f"{CORPUS_VARIABLE}={str(folder)!r}: there is no such folder",
            field=CORPUS_VARIABLE,
            value=str(folder),
            hint="name a folder of .md, .txt or .html files",
        )
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return make_panel_tools({**kept, "FUSION_SEARCH": f"local:{folder}"})


def _paced(reply: ScriptedReply | str) -> ScriptedReply:
    said = reply if isinstance(reply, ScriptedReply) else ScriptedReply(reply)
    return ScriptedReply(said.content, tool_calls=said.tool_calls, delay=_SECONDS, pause=_SECONDS_PER_WORD)


def _play(request: ScriptedRequest, style: Style) -> ScriptedReply | str:
    """Return what is said in the role that the prompt gives."""
    system = "\n".join(str(m.text) for m in request.messages if isinstance(m, SystemMessage))
    bodies = unfenced(request.text)
    if any(tool["function"]["name"] == FUSION_TOOL_NAME for tool in request.tools):
        return _decide(request)
    if wording.JUDGE in system:
        question = _between(request.text, wording.JUDGE_QUESTION, wording.JUDGE_BEGIN)
        answers = {title.removeprefix("answer "): body for title, body in bodies.items() if title.startswith("answer ")}
        return compare(question, answers)
    if wording.PANELIST in system:
        return research(request, _between(request.text, "", wording.LAST_CALL), style)
    return write(bodies) if bodies else f"{NOTICE}\n\nIt answers through its panel only: ask with the mode `always`."


def _between(text: str, before: str, after: str) -> str:
    """Return what stands between the beginnings of two templates."""
    rest = text.partition(before.partition("{")[0])[2] if before else text
    return rest.partition(after.partition("{")[0])[0].strip()


def _decide(request: ScriptedRequest) -> ScriptedReply | str:
    if not terms(request.text):
        return f"{NOTICE}\n\nAsk a question about the pages of its corpus."
    call = {"name": FUSION_TOOL_NAME, "args": {"prompt": request.text}, "id": "demo_fusion"}
    return ScriptedReply(tool_calls=[call])
