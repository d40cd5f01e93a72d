"""What a LangGraph server serves: the graphs that langgraph.json names, compiled, without a checkpointer of their own.

Importing this module makes the tools that the environment configures, so a server with a bad setting does not start.
"""

from fusion_graph.deployment import Parts
from fusion_graph.graph import build_graph
from fusion_graph.panelist_graph import build_panelist_graph

_parts = Parts.real()
_ = _parts.panel_tools, _parts.demo_tools  # made now: a server's event loop must not wait for the disk
_parts.panel_tools.shells.refuse_unsandboxed()

graph = build_graph(**_parts.collaborators).compile(name="fusion")
panelist = build_panelist_graph(ask=_parts.ask, offer_tools=_parts.offer_tools).compile(name="panelist")
