"""What a panelist can do besides think: search and read."""

from fusion_graph.tools.backends import choose_backend
from fusion_graph.tools.download import Limits
from fusion_graph.tools.panel import TOOL_NAMES, PanelTools, make_panel_tools
from fusion_graph.tools.search import Hit, SearchBackend, SearchRequest

__all__ = [
    "TOOL_NAMES",
    "Hit",
    "Limits",
    "PanelTools",
    "SearchBackend",
    "SearchRequest",
    "choose_backend",
    "make_panel_tools",
]
