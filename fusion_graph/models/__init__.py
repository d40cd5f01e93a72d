"""Models: from a name to a LangChain chat model, what its answers cost, and a scripted double for tests.

Importing this package is cheap; the libraries behind it are imported by the first call that needs them.
"""

from fusion_graph.models.loading import close_clients, load_model
from fusion_graph.models.names import check_model, provider_of, search_provider
from fusion_graph.models.prices import estimate_price, price

__all__ = ["check_model", "close_clients", "estimate_price", "load_model", "price", "provider_of", "search_provider"]
