"""The nodes of the graph, one module each; `fusion_graph.graph` wires them."""
