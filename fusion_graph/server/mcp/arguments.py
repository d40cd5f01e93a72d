"""What callers of the tools may say. Names and descriptions here are the wire's: models read them."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from pydantic import Field

from fusion_graph.checked import Checked
from fusion_graph.presets import load_presets
from fusion_graph.settings import MAX_SEATS

MAX_WAIT_SECONDS = 45.0  # many clients give a call 60 seconds, whatever progress it tells
Detail: TypeAlias = Literal["answer", "analysis", "full"]
_MAX_PRESETS = 900  # characters of what is said of them


class _Roster(Checked):
    """Who takes part; what is empty is the preset's."""

    preset: str = Field("", description="Roster to start from")
    panel: list[str] = Field(
        [],
        max_length=MAX_SEATS,
        description="1 to 8 models that answer in parallel, such as openai:gpt-5, in place of the preset's; "
        "the same model may sit twice",
    )
    judge: str = Field("", description="Model that compares the answers, in place of the preset's")
    writer: str = Field("", description="Model that writes the answer, in place of the preset's; else the judge")
    tools: list[str] = Field(
        [],
        description="Tools of the panel in place of the preset's: web_search, web_fetch, bash, mcp:SERVER; [none] for none",
    )

    def settings(self) -> dict[str, Any]:
        """Return this as settings of a run. Who calls the tool wants the panel, whatever the mode set elsewhere."""
        given = self.model_dump(include={"preset", "panel", "judge", "writer", "tools"}, exclude_defaults=True)
        if self.tools == ["none"]:
            given["tools"] = []
        return given | {"mode": "always"}


class AskArguments(_Roster):
    """Arguments of fusion_ask."""

    question: str = Field(
        min_length=1, description="The question, with all context it needs: the panel sees nothing else"
    )
    max_cost_usd: float = Field(
        0.0, ge=0, description="Budget in US dollars: a seat stops researching when its share is spent. 0: the preset's"
    )

    def settings(self) -> dict[str, Any]:
        """Return this as settings of a run."""
        return super().settings() | ({"max_cost_usd": self.max_cost_usd} if self.max_cost_usd else {})


class EstimateArguments(_Roster):
    """Arguments of fusion_estimate."""

    question: str = Field("", description="The question; a long one costs more")


class ResultArguments(Checked):
    """Arguments of fusion_result."""

    run_id: str = Field(min_length=1, description="The run_id that fusion_ask returned")
    wait_seconds: float = Field(
        MAX_WAIT_SECONDS, ge=0, le=MAX_WAIT_SECONDS, description="How long to wait for a run under way, at most 45"
    )
    detail: Detail = Field(
        "answer",
        description="answer: the answer, disagreements, sources; analysis: the whole comparison of the panel's answers; "
        "full: the long answer and what every seat answered",
    )


class CancelArguments(Checked):
    """Arguments of fusion_cancel."""

    run_id: str = Field(min_length=1, description="The run_id that fusion_ask returned")


def input_schema(arguments: type[Checked], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the JSON schema of a tool's arguments, with the presets there are. Blocks.

    Raises:
        SettingsError: the user's own presets cannot be read.
    """
    schema = arguments.model_json_schema()
    schema.pop("description", None)
    for name, field in schema["properties"].items():
        field.pop("title", None)
        if name == "preset":
            known = load_presets(environ)
            told = "; ".join(f"{preset}: {said['description']}" for preset, said in known.items())
            field |= {"enum": ["", *known], "description": f"Roster to start from. {told}"[:_MAX_PRESETS]}
    return schema
