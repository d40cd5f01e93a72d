"""What documents and tools of the server say in the same words."""

from fusion_graph.ledger import dollars

DEMO = "Offline demo: no language model, only sentences out of invented pages."


def cost_words(usd: float | None, *, is_lower_bound: bool) -> str:
    """Return US dollars in words: `$0.41`, `at least $0.41`, or `unknown`."""
    if usd is None or (is_lower_bound and not usd):
        return "unknown"
    return f"at least {dollars(usd)}" if is_lower_bound else dollars(usd)
