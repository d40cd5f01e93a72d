"""Ask a panel of models, let a judge compare their answers, get one grounded, cited answer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusion_graph.chat_model import ChatFusion
    from fusion_graph.deployment import build_fusion_graph
    from fusion_graph.errors import FusionError, ModelLoadError, SettingsError
    from fusion_graph.results import run_result
    from fusion_graph.runs import Runs, open_runs
    from fusion_graph.seats import PanelTool, Seat
    from fusion_graph.settings import FusionSettings
    from fusion_graph.state import FusionInput, FusionOutput, FusionState
    from fusion_graph.tool import make_fusion_tool

__version__ = "0.1.0"
__all__ = [
    "ChatFusion",
    "FusionError",
    "FusionInput",
    "FusionOutput",
    "FusionSettings",
    "FusionState",
    "ModelLoadError",
    "PanelTool",
    "Runs",
    "Seat",
    "SettingsError",
    "build_fusion_graph",
    "make_fusion_tool",
    "open_runs",
    "run_result",
]

_HOMES = {
    "ChatFusion": "chat_model",
    "make_fusion_tool": "tool",
    "build_fusion_graph": "deployment",
    "FusionError": "errors",
    "ModelLoadError": "errors",
    "SettingsError": "errors",
    "run_result": "results",
    "Runs": "runs",
    "open_runs": "runs",
    "FusionSettings": "settings",
    "PanelTool": "seats",
    "Seat": "seats",
    "FusionInput": "state",
    "FusionOutput": "state",
    "FusionState": "state",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: LangGraph takes most of a second, and `fusion --help` needs none."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Return all names, also those not used yet: what shells and notebooks complete."""
    return sorted({*globals(), *__all__})
