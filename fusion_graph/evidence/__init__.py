"""The sources of a run: what seats found, how they are numbered, and whether an answer's citations hold."""

from fusion_graph.evidence.citations import check_citations, renumbered
from fusion_graph.evidence.provider import sources_told
from fusion_graph.evidence.sources import sources_in

__all__ = ["check_citations", "renumbered", "sources_in", "sources_told"]
