"""The loopback model server of the tests: OpenAI's API over real HTTP, scripted, strict and faulty on demand."""

from tests.model_server.behaviours import (
    altered,
    by_model,
    call,
    client_tool_caller,
    fails,
    faulty,
    hungry,
    says,
    when,
)
from tests.model_server.families import FAMILIES, STRICTER
from tests.model_server.log import Entry, read_log
from tests.model_server.problems import QUOTA_EXCEEDED, Problem, openai_shape
from tests.model_server.roles import everyone, fingerprint, judge, labels, panelist, writer
from tests.model_server.sampling import sample
from tests.model_server.server import ModelServer
from tests.model_server.wire import Behaviour, Reply, Request

__all__ = [
    "FAMILIES",
    "QUOTA_EXCEEDED",
    "STRICTER",
    "Behaviour",
    "Entry",
    "ModelServer",
    "Problem",
    "Reply",
    "Request",
    "altered",
    "by_model",
    "call",
    "client_tool_caller",
    "everyone",
    "fails",
    "faulty",
    "fingerprint",
    "hungry",
    "judge",
    "labels",
    "openai_shape",
    "panelist",
    "read_log",
    "sample",
    "says",
    "when",
    "writer",
]
