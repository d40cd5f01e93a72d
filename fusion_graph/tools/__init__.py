"""What a panelist can do besides think: search, read and compute."""

from fusion_graph.tools.own import OwnTool, own_tools
from fusion_graph.tools.panel import TOOL_NAMES, PanelTools, Place, limited, make_panel_tools
from fusion_graph.tools.search.backends import choose_backend
from fusion_graph.tools.search.tool import Hit, SearchBackend, SearchRequest
from fusion_graph.tools.web.download import Limits

__all__ = [
    "TOOL_NAMES",
    "Hit",
    "Limits",
    "OwnTool",
    "PanelTools",
    "Place",
    "SearchBackend",
    "SearchRequest",
    "choose_backend",
    "limited",
    "make_panel_tools",
    "own_tools",
]
