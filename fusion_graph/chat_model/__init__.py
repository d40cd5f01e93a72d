"""`ChatFusion`: a panel behind LangChain's chat model interface."""

from fusion_graph.chat_model.model import ChatFusion

__all__ = ["ChatFusion"]
