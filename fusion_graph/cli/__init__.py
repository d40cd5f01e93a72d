"""The `fusion` command. Results go to stdout, everything else to stderr.

The rest of the package is imported by the commands that need it, inside them: `fusion --help` takes no second.
"""

from fusion_graph.cli import agents, asking, chat, comparing, demo, draco, looking, serving, stored  # noqa: F401  (each adds its commands)
from fusion_graph.cli.app import app, main

__all__ = ["app", "main"]
