"""POST /v1/chat/completions: check the request, ask the behaviour, send its reply with the faults it asks for."""

import asyncio
import fnmatch
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.types import Receive, Scope, Send

from tests.model_server.connection import Connection
from tests.model_server.delivery import Delivery, deliver, plan
from tests.model_server.families import Family, family_named
from tests.model_server.log import Entry, Log
from tests.model_server.problems import Problem, problem_of_status, unknown_model
from tests.model_server.rendering import complete
from tests.model_server.wire import Behaviour, Reply

Limit: TypeAlias = int | Mapping[str, int] | None


@dataclass
class Settings:
    """What a server is like. A limit is one number, or numbers by model glob; names in `families` are globs too."""

    behaviour: Behaviour
    family: str = "openai"
    families: Mapping[str, str] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    context_tokens: Limit = None
    max_output_tokens: Limit = None
    api_key: str | None = None

    def family_of(self, model: str) -> Family:
        return family_named(_by_glob(self.families, model) or self.family)

    def context_limit(self, model: str) -> int | None:
        return _limit(self.context_tokens, model)

    def output_limit(self, model: str) -> int | None:
        given = _limit(self.max_output_tokens, model)
        return self.family_of(model).max_output_tokens if given is None else given


def _by_glob(table: Mapping[str, Any], name: str) -> Any:
    return next((value for pattern, value in table.items() if fnmatch.fnmatchcase(name, pattern)), None)


def _limit(limit: Limit, model: str) -> int | None:
    return _by_glob(limit, model) if isinstance(limit, Mapping) else limit


@dataclass
class ChatCompletions:
    """The endpoint as an ASGI application. `failures` keeps what a behaviour raised: a bug in a test, never a reply."""

    settings: Settings
    log: Log
    stopping: asyncio.Event
    failures: list[Exception] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            raw = await http.body()
        except ClientDisconnect:
            return  # killed while it was still sending: not a request
        body = _parse(raw)
        family = self.settings.family_of(str((body or {}).get("model", "")))
        entry = self.log.open(f"chatcmpl-{uuid.uuid4().hex}", body or {}, dict(http.headers), family.name)
        connection = Connection(scope, receive, send, self.stopping)
        try:
            await deliver(self._answer(entry, family, parsed=body is not None), connection, entry, self.log)
        finally:
            if entry.state == "received":
                self.log.close(entry, "aborted")
                await connection.reset()
            await connection.close()

    def _answer(self, entry: Entry, family: Family, *, parsed: bool) -> Delivery:
        try:
            return self._deliver(self._reply(entry, family, parsed=parsed), entry, family)
        except Exception as error:  # noqa: BLE001 -- whatever a test's behaviour raises is kept and raised in the test
            self.failures.append(error)
            problem = Problem(f"the model server raised {error!r}", type="server_error", status=500)
            return self._deliver(_refusal(problem, family), entry, family)

    def _reply(self, entry: Entry, family: Family, *, parsed: bool) -> Reply:
        if not parsed:
            return _refusal(Problem("We could not parse the JSON body of your request."), family)
        if problem := self._problem(entry, family):
            return _refusal(problem, family)
        request = entry.request
        if request.forces_a_tool and not family.honours_forced_tools:
            request = replace(request, tool_choice="auto")
        reply = self.settings.behaviour(request)
        if reply.status >= 400 and reply.error is None:
            return replace(reply, error=family.body(problem_of_status(reply.status)))
        return reply

    def _deliver(self, reply: Reply, entry: Entry, family: Family) -> Delivery:
        done = complete(reply, entry.request, entry.response_id, family)
        if reply.status >= 400:
            entry.detail = reply.error
        else:
            entry.billed = done.usage
        return plan(done)

    def _problem(self, entry: Entry, family: Family) -> Problem | None:
        settings, model = self.settings, entry.model
        if settings.api_key and entry.headers.get("authorization") != f"Bearer {settings.api_key}":
            return problem_of_status(401)
        if settings.models and model not in settings.models:
            return unknown_model(model)
        return family.problem(entry.request, settings.context_limit(model), settings.output_limit(model))


def _refusal(problem: Problem, family: Family) -> Reply:
    return Reply(status=problem.status, error=family.body(problem))


def _parse(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
