"""Simulated models for mini-DRACO: members of known recall and error, a judge and a writer of known losses, an oracle.

They go through the real graph: members search and open pages with the real tools, judge, writer and oracle read the real
prompts, and whatever they say is parsed as a model's. What was planted in them must therefore come out of the graded
texts; their figures say nothing about language models.
"""

from fusion_graph.evaluation.simulated.chances import SIMULATED
from fusion_graph.evaluation.simulated.simulation import Simulation

__all__ = ["SIMULATED", "Simulation"]
