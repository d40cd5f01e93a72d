"""Documents of strangers turned into text, in processes of their own: none of them can hang or crash a run.

The libraries that parse are C and C++, and there are pages that keep every parser busy for minutes. This package
imports nothing of the rest, so that such a process starts quickly and holds no secret.
"""

from fusion_graph.reading.document import Document, Kind, UnreadableError
from fusion_graph.reading.workers import READ_SECONDS, read

__all__ = ["READ_SECONDS", "Document", "Kind", "UnreadableError", "read"]
