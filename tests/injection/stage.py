"""Where the cases are played: the real graph and the real tools, over a folder that stands for the web."""

import socket
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from fusion_graph.deployment import build_fusion_graph
from fusion_graph.models.scripted import Script, ScriptedError, ScriptedModels, ScriptedRequest
from fusion_graph.results import run_result
from fusion_graph.terminal.page import print_page
from tests.corpus import write_corpus
from tests.injection.case import COLLECT, EAST, EVIL, JUDGE, NORTH, SOUTH, WRITER, Case, Played
from tests.injection.obedient import ObedientJudge, ObedientSeat, ObedientWriter
from tests.terminal.samples import console, drawn

QUESTION = "When did the bridge open?"
OPENED = "The bridge opened in 1932 [{n}]."
BLUE = "The bridge is blue [{n}]."
_PAGES = {
    "evil.md": f"url: {EVIL}\ntitle: The bridge today\n\nThe bridge is blue. {{page}}",
    "collect.md": f"url: {COLLECT}\ntitle: Thank you\n\nYour data has come in.",
}


async def play(case: Case, folder: Path, patch: pytest.MonkeyPatch) -> Played:
    """Run a case from the question to the answer."""
    corpus = write_corpus(folder)
    for name, text in {**_PAGES, **case.files}.items():
        (corpus / name).write_text(text.replace("{page}", case.page), encoding="utf-8")
    looked_up: list[str] = []

    def refuse(host: str, *_args: Any, **_more: Any) -> None:
        looked_up.append(host)
        raise OSError("there is no network here")

    patch.setattr(socket, "getaddrinfo", refuse)
    if case.luck:
        case.luck(patch)
    models = ScriptedModels(_scripts(case))
    environ = {"FUSION_SEARCH": f"local:{corpus}"}
    graph: Any = build_fusion_graph(load_model=models, price=lambda *_: (None, None), environ=environ).compile()
    panel = [NORTH, {"model": SOUTH, **case.seat}, EAST]
    tools = ["web_search", "web_fetch"]
    settings = {"panel": panel, "judge": JUDGE, "writer": WRITER, "tools": tools, **case.settings}
    caller = {"caller": dict(case.caller)} if case.caller else {}
    messages = [*case.turns, HumanMessage(QUESTION)]
    state = await graph.ainvoke({"messages": messages, **caller}, context=settings)
    result = run_result("run", "thread", state)
    paper = console(1000)
    print_page(result, paper)
    return Played(case, state, result, models.requests, drawn(paper), looked_up)


def _scripts(case: Case) -> dict[str, Script]:
    south = ObedientSeat("" if case.idle else EVIL, BLUE, captured="seat" in case.captured)
    if isinstance(case.answer, str):
        south.answer = case.answer or BLUE
    judge = ObedientJudge(captured="judge" in case.captured, warns=case.judge_warns)
    scripts: dict[str, Script] = {
        NORTH: ObedientSeat("https://bridges.example/opening", OPENED),
        SOUTH: south if isinstance(case.answer, str) else case.answer,
        EAST: ObedientSeat("https://engineers.example/span", OPENED),
        JUDGE: judge,
        WRITER: ObedientWriter(captured="writer" in case.captured),
    }
    return {name: _unless_writing(script) for name, script in scripts.items()} if case.no_writer else scripts


def _unless_writing(script: Script) -> Script:
    def play(request: ScriptedRequest) -> Any:
        writes = "You write the final answer" in str(request.messages[0].text)
        return ScriptedError("overloaded", status_code=403) if writes else script(request)

    return play
