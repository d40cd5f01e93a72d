"""`make_fusion_tool`: a panel as a tool, for agents that ask it when one model's answer is not enough."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field, StringConstraints

from fusion_graph import bridge
from fusion_graph.calls import inside_fusion
from fusion_graph.deployment import Parts
from fusion_graph.errors import SettingsError
from fusion_graph.graph import build_graph
from fusion_graph.prompts import FUSION_TOOL, FUSION_TOOL_NAME
from fusion_graph.results import CAPPED, answered, panel_failure, tool_result, usage
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.tools import OwnTool


class FusionArguments(BaseModel):
    """What a model may say to the tool."""

    prompt: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description=FUSION_TOOL["function"]["parameters"]["properties"]["prompt"]["description"]
    )


def make_fusion_tool(
    settings: FusionSettings | Mapping[str, Any] | None = None,
    *,
    name: str = FUSION_TOOL_NAME,
    load_model: Callable[..., BaseChatModel] | None = None,
    tools: Sequence[OwnTool] = (),
) -> BaseTool:
    """Return a tool that asks a panel and has its answers compared; the agent that called it writes the answer.

    Its result is JSON: `status`, `analysis`, `responses`, `failed_models`, or `error` and `failure_reason`. The artifact
    holds `sources`, and under `usage` what each call cost. Called by a model or a tool of a fusion, it asks nobody.
    An agent whose model is a `ChatFusion` needs another `name`: `fusion` is how its writer asks for the panel.

    Raises:
        SettingsError: the settings ask for an approval, which a tool cannot wait for, or for something impossible.
    """
    given = settings if isinstance(settings, FusionSettings) else FusionSettings.model_validate(dict(settings or {}))
    if given.approve:
        hint = "use the graph (build_fusion_graph) with a checkpointer"
        raise SettingsError("a tool cannot wait for an approval", field="approve", value=True, hint=hint)
    own = given.model_copy(update={"mode": "always"})
    parts = Parts.real(load_model=load_model, tools=tools)
    # It stops where the answers are compared: whoever called the tool is the writer.
    graph: Any = build_graph(**parts.collaborators).compile(
        checkpointer=False, interrupt_before=["write"], name="fusion"
    )

    async def ask_panel(prompt: str) -> tuple[str, dict[str, Any]]:
        if inside_fusion.get():
            return CAPPED, {"sources": []}
        question = {"messages": [("user", prompt)]}
        values = await bridge.standalone(lambda config: graph.ainvoke(question, config, context=own))
        results, sources, calls = (values.get(part) or [] for part in ("results", "sources", "calls"))
        too_few = len(answered(results)) < load_settings(values["settings"]).min_answers
        text = tool_result(results, sources, values.get("analysis"), panel_failure(results) if too_few else None)
        return text, {"sources": sources, "usage": usage(calls)}

    def ask_panel_now(prompt: str) -> tuple[str, dict[str, Any]]:
        return bridge.wait_for(lambda: ask_panel(prompt))

    return StructuredTool.from_function(
        func=ask_panel_now,
        coroutine=ask_panel,
        name=name,
        description=FUSION_TOOL["function"]["description"],
        args_schema=FusionArguments,
        response_format="content_and_artifact",
    )
