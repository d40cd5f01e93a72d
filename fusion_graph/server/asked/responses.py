"""A responses request, as a turn of the graph and as what is told of it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from pydantic import Field

from fusion_graph.checked import Checked, shown
from fusion_graph.errors import SettingsError
from fusion_graph.server.asked.functions import functions_in
from fusion_graph.server.asked.fusion_words import PLAIN
from fusion_graph.server.asked.inner_tools import parsed_at
from fusion_graph.server.asked.items import instructions_in, messages_of
from fusion_graph.server.asked.messages import check_asks
from fusion_graph.server.asked.own_options import OWN
from fusion_graph.server.asked.turns import Turn, tools_in, turn_of

MAX_STEPS = 30  # of server tools in one request
STEPS, COST = "step_count_is", "max_cost"
WORK = "fusion_call.work"  # in `include`: the stream tells what the panel does, too
_FLAGS = ("background", "store", "stream", "parallel_tool_calls")
_UNKNOWN = ("conversation", "prompt")  # state that this server does not keep
# What chat completions call fields of this request.
_WORDS = {"response_format": "text.format", "max_completion_tokens": "max_output_tokens"}
# What a response tells of its request, and what it says where the request says nothing.
TOLD: dict[str, Any] = {
    "background": False,
    "frequency_penalty": 0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}


@dataclass(frozen=True, slots=True)
class AskedResponse:
    """What a request asks for. `told` are the fields of it that the response repeats, `plain`: in OpenAI's words only.

    `shows_work`: its stream tells what the panel does as well.
    """

    turn: Turn
    told: dict[str, Any]
    plain: bool
    shows_work: bool


class StepCount(Checked):
    """Stop server tools after so many steps."""

    type: Literal["step_count_is"]
    step_count: int = Field(ge=1, description="How many steps, 1 or more")


class MaxCost(Checked):
    """Stop server tools when the run has cost so many US dollars."""

    type: Literal["max_cost"]
    max_cost_in_dollars: float = Field(gt=0, description="How many US dollars, more than 0")


def parse_response(
    body: Mapping[str, Any], items: Sequence[Any], history: Sequence[BaseMessage], *, depth: int = 0
) -> AskedResponse:
    """Return what the body of a responses request asks for, after `history`, with its input as `items`.

    Raises:
        SettingsError: a field is not what it must be; `field` names it as the client wrote it.
    """
    _check_flags(body)
    messages = [*instructions_in(body.get("instructions")), *history, *messages_of(items)]
    check_asks(messages, "input")
    functions = functions_in(tools_in(body), flat=True)
    try:
        turn = turn_of(_as_chat(body), messages, functions, depth=depth)
    except SettingsError as error:
        raise _in_own_words(error) from None
    _check_kept(body, turn)
    _limit(turn, body)
    told = {name: default if body.get(name) is None else body[name] for name, default in TOLD.items()}
    included = body.get("include")
    shows_work = isinstance(included, list) and WORK in included
    return AskedResponse(turn, told, plain=str(body["model"]).strip().endswith(PLAIN), shows_work=shows_work)


def _check_flags(body: Mapping[str, Any]) -> None:
    for name in _FLAGS:
        if not isinstance(body.get(name), bool | None):
            raise SettingsError(f"{name} = {shown(body[name])}", field=name, value=body[name], hint="true or false")
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping | None):
        raise SettingsError(f"metadata = {shown(metadata)}", field="metadata", value=metadata, hint="give an object")
    for name in _UNKNOWN:
        if body.get(name) is not None:
            hint = "send the conversation as input, or name the response before with previous_response_id"
            raise SettingsError(f"{name} is not taken here", field=name, value=body[name], hint=hint)


def _check_kept(body: Mapping[str, Any], turn: Turn) -> None:
    """Refuse what nobody could come back to."""
    if turn.settings.get("approve") and body.get("store") is False:
        hint = "leave store out, or approve"
        raise SettingsError("approve: what is not stored cannot be approved", field=f"{OWN}.approve", hint=hint)
    if not body.get("background"):
        return
    if body.get("store") is False:
        hint = "leave store out, or background"
        raise SettingsError("background: what is not stored cannot be fetched", field="store", value=False, hint=hint)
    if turn.cancels:
        hint = "leave on_disconnect out: nobody stays connected to a run in the background"
        raise SettingsError("background, and x_fusion.on_disconnect = 'cancel'", field=OWN, hint=hint)


def _as_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request in the words of chat completions, as far as they say the same."""
    same = ("model", "plugins", "tools", "temperature", "stream", "x_fusion", "metadata")
    said = {name: body[name] for name in same if name in body}
    return said | {
        "max_completion_tokens": body.get("max_output_tokens"),
        "response_format": _format(body.get("text")),
        "tool_choice": _choice(body.get("tool_choice")),
    }


def _format(text: Any) -> Any:
    if text is None:
        return None
    if not isinstance(text, Mapping):
        raise SettingsError(f"text = {shown(text)}", field="text", value=text, hint="an object with format")
    wanted = text.get("format")
    if not isinstance(wanted, Mapping) or wanted.get("type") != "json_schema":
        return wanted
    if not isinstance(wanted.get("schema"), Mapping):
        hint = "give it name and schema"
        raise SettingsError("text.format.schema is no object", field="text.format.schema", value=wanted, hint=hint)
    return {"type": "json_schema", "json_schema": {key: wanted[key] for key in wanted if key != "type"}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, Mapping) and choice.get("type") == "function" and "function" not in choice:
        return {"type": "function", "function": {"name": choice.get("name")}}
    return choice


def _in_own_words(error: SettingsError) -> SettingsError:
    """Return the error of a field as this request calls it."""
    for theirs, ours in _WORDS.items():
        if str(error.field).startswith(theirs):
            error.field = str(error.field).replace(theirs, ours, 1)
            error.args = (str(error).replace(theirs, ours),)
    return error


def _limit(turn: Turn, body: Mapping[str, Any]) -> None:
    """Note how far the server's tools may go: how many steps, and up to which cost."""
    steps = body.get("max_tool_calls")
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= MAX_STEPS):
        hint = f"1 to {MAX_STEPS}"
        raise SettingsError(f"max_tool_calls = {shown(steps)}", field="max_tool_calls", value=steps, hint=hint)
    if body.get("stop_server_tools_when") is not None:
        stops = _stops(body["stop_server_tools_when"])
        steps = min((stop.step_count for stop in stops if isinstance(stop, StepCount)), default=None)
        costs = [stop.max_cost_in_dollars for stop in stops if isinstance(stop, MaxCost)]
        own = turn.settings.get("max_cost_usd")
        turn.settings.update({"max_cost_usd": min([*costs, own or costs[0]])} if costs else {})
    if steps is not None:
        turn.caller["max_steps"] = steps


def _stops(given: Any) -> list[StepCount | MaxCost]:
    field = "stop_server_tools_when"
    if not isinstance(given, list) or not given:
        raise SettingsError(f"{field} = {shown(given)}", field=field, value=given, hint="a list of conditions")
    return [_stop(stop, f"{field}.{number}") for number, stop in enumerate(given)]


def _stop(stop: Any, place: str) -> StepCount | MaxCost:
    kind = stop.get("type") if isinstance(stop, Mapping) else None
    if kind == STEPS:
        return parsed_at(place, StepCount, stop)
    if kind == COST:
        return parsed_at(place, MaxCost, stop)
    hint = f"{STEPS} and {COST}"
    raise SettingsError(f"{place}.type = {shown(kind)} is not taken", field=f"{place}.type", value=kind, hint=hint)
