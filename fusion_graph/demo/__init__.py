"""The offline demo: models without a language model, over a corpus of invented pages, through the real graph.

A demo model is a function of what it is asked. Seats search, open pages and quote sentences; the judge compares the
sentences it is given; the writer puts them together. Nothing is canned: other pages give other answers, and a question
the pages do not answer is told so. They answer only when they are named (`demo:careful`, the preset `demo`).
"""

from fusion_graph.demo.load import CORPUS, CORPUS_VARIABLE, DEMO, check_demo_model, demo_tools, load_demo_model

__all__ = ["CORPUS", "CORPUS_VARIABLE", "DEMO", "check_demo_model", "demo_tools", "load_demo_model"]
