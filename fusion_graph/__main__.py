"""`python -m fusion_graph` is the `fusion` command."""

from fusion_graph.cli import main

main()
