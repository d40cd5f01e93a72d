"""What goes into a call and what comes out of it; and what a call needs from the run it belongs to."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from fusion_graph.calls.messages import text_of
from fusion_graph.checked import shown
from fusion_graph.errors import SettingsError
from fusion_graph.schemas import CallEntry, CallError, Outcome, Role

Emit = Callable[[dict[str, Any]], None]
Price = Callable[[str, AIMessage], tuple[float | None, str | None]]


class LoadModel(Protocol):
    """Turn a configured name into a chat model. `fusion_graph.models.load_model` and `ScriptedModels` are two."""

    def __call__(
        self, name: str, /, *, temperature: float | None, max_tokens: int | None, reasoning: str | None
    ) -> BaseChatModel:
        """Return the model of `name`; None leaves a parameter to the provider. Raises ModelLoadError."""
        ...


def refuse_other_loader(load_model: LoadModel) -> None:
    """Raise a SettingsError if `load_model` cannot be called as it is going to be."""
    hint = "def load_model(name, /, *, temperature, max_tokens, reasoning): ..., which returns a chat model"
    if not callable(load_model):
        said = f"load_model = {shown(load_model)} is no function"
        raise SettingsError(said, field="load_model", value=load_model, hint=hint)
    try:
        inspect.signature(load_model).bind("name", temperature=None, max_tokens=None, reasoning=None)
    except TypeError as error:
        said = f"load_model cannot be called as it will be: {error}"
        raise SettingsError(said, field="load_model", value=load_model, hint=hint) from None
    except ValueError:  # something built in, which does not tell
        return


class Journal(Protocol):
    """Where attempts are noted before they are sent, and their answers as they come.

    So a killed process leaves word of what it may have paid, and an answer that arrived is not paid for again because
    the checkpoint that was to hold it was never written.
    """

    async def recall(self, key: str, request: str) -> tuple[list[CallEntry], AIMessage] | None:
        """Return the attempts at a call that an earlier process brought to an answer, and the answer."""
        ...

    async def begin(self, entry: CallEntry) -> None:
        """Note that an attempt is about to be sent.

        Raises:
            LeaseLostError: the run belongs to another process now; nothing may be sent.
        """
        ...

    async def end(self, entry: CallEntry, message: AIMessage | None) -> None:
        """Note how an attempt ended, with its answer where it is one."""
        ...

    async def left_behind(self, known: set[str]) -> list[CallEntry]:
        """Return the attempts whose ids are not `known`, marked `repeated`: sent, perhaps paid, their answers lost."""
        ...


class Closable(Protocol):
    """What may be brought to its end from outside: the panel of a run."""

    def close(self) -> None:
        """Let it come to its end; said again, end it at once."""
        ...


@dataclass(frozen=True, slots=True)
class RunScope:
    """What one run carries inside its process beside its state. Losable: state and journal hold all that matters."""

    run_id: str
    journal: Journal | None = None
    is_heard: Callable[[], bool] = bool  # does anybody listen to deltas? `bool()` is False
    on_panel: Callable[[Closable], object] = bool  # is told of a panel that begins


_NO_RUN = RunScope(run_id="")
run_scope: ContextVar[RunScope] = ContextVar("run_scope", default=_NO_RUN)


# Whether this code runs for a model or a tool of a fusion: what would fuse again there answers without a panel.
inside_fusion: ContextVar[bool] = ContextVar("inside_fusion", default=False)


class Cut(Protocol):
    """What may end a call before its time, from outside."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be waited for."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words that go on a `because`."""
        ...

    def watch(self, cut: Callable[[], None]) -> Callable[[], None]:
        """Call `cut`, which must not raise, when it is over, at once if it is already; return how to undo this."""
        ...


@asynccontextmanager
async def time_limit(seconds: float | None, cut: Cut | None) -> AsyncIterator[asyncio.Timeout]:
    """Be `asyncio.timeout(seconds)` that ends at once when it is cut from outside."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds) as limit:

        def end() -> None:
            if not limit.expired():  # it may have run out already, and wait for the library to let go
                limit.reschedule(loop.time())

        undo = cut.watch(end) if cut else None
        try:
            yield limit
        finally:
            if undo:
                undo()


@dataclass(frozen=True, slots=True)
class Call:
    """One question to one model. `key` names it within its run; `timeout_seconds` bounds it with all its retries."""

    role: Role
    key: str
    model: str
    messages: Sequence[BaseMessage]
    timeout_seconds: float
    seat: int | None = None
    tools: Sequence[Any] = ()
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    temperature: float | None = None
    reasoning: str = ""
    max_tokens: int | None = None
    delta_event: str | None = None  # the event type of its text as it comes; None: nobody is told
    reasoning_event: str | None = None  # of its reasoning
    preface: str = ""  # what a listener is told before the model's first text
    fallback: str = ""  # the model that is asked if this one fails; '' for none
    cut: Cut | None = None
    is_streamed: bool = False  # also where nobody listens, so that its text so far is there when it is cut


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a call. `message` holds what text there is, also of a call that failed half-way."""

    outcome: Outcome
    message: AIMessage | None
    error: CallError | None
    entries: list[CallEntry] = field(default_factory=list)
    at_models_limit: bool = False  # the model took less output than was asked for: asking for more is of no use

    @property
    def text(self) -> str:
        """The text of the message, '' if there is none."""
        return text_of(self.message)


class Ask(Protocol):
    """The signature nodes know. `Asker` is the real one."""

    async def __call__(self, call: Call, /, *, emit: Emit | None = None) -> Reply:
        """Return what became of `call`; nothing raises but the journal (LeaseLostError) and a cancellation."""
        ...

    def check(self, roster: Mapping[str, Sequence[str]]) -> None:
        """Raise the ModelLoadError of the first model that cannot be loaded; `roster` says what each is needed for."""
        ...
