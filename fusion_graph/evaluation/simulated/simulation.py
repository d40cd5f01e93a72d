"""Simulated models by name."""

from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from pydantic import Field

from fusion_graph.errors import ModelLoadError, did_you_mean
from fusion_graph.evaluation.simulated import judge, member, oracle, writer
from fusion_graph.evaluation.simulated.chances import SIMULATED, Chances, kind_of
from fusion_graph.evaluation.simulated.key import CORPUS, known_in
from fusion_graph.evaluation.simulated.texts import NOTHING
from fusion_graph.models.scripted import ScriptedModel, ScriptedReply, ScriptedRequest
from fusion_graph.prompts import unfenced, wording

_ORACLE = "oracle"
_ROLES = ("judge", "writer", _ORACLE)


class Simulation(Chances):
    """Simulated models: `simulated:NAME` for each of `models`, `simulated:judge`, `simulated:writer`, `simulated:oracle`.

    `simulated:NAME#2` is a model of the same kind with other luck; two seats of one name give the same answer.
    """

    prices: dict[str, float] = Field({}, description="US dollars per million tokens, by model; 1.0 for the others")

    @property
    def corpus(self) -> Path:
        """The folder of pages that the members read, for FUSION_SEARCH."""
        return CORPUS

    def load_model(
        self,
        name: str,
        *,
        temperature: float | None = None,
        max_tokens: int | None = None,
        reasoning: str | None = None,
    ) -> ScriptedModel:
        """Return the model of a name, which plays the role that its prompt gives it. Raises ModelLoadError."""
        known = [f"{SIMULATED}:{each}" for each in (*self.models, *_ROLES)]
        if name.partition("#")[0] not in known:
            raise ModelLoadError(f"there is no simulated model {name!r}", hint=did_you_mean(name, known))
        return ScriptedModel(
            script=self._play,
            model_name=name,
            temperature=temperature,
            max_tokens=max_tokens,
            reasoning=reasoning,
        )

    def price(self, name: str, message: AIMessage) -> tuple[float | None, str | None]:
        """Return what a call would cost in US dollars by `prices`, and that this is no real price."""
        tokens = message.usage_metadata["total_tokens"] if message.usage_metadata else 0
        return tokens * self.prices.get(kind_of(name), 1.0) / 1_000_000, SIMULATED

    def _play(self, request: ScriptedRequest) -> ScriptedReply | str:
        """Return what a model says in the role that its prompt gives it."""
        told = "\n\n".join(str(m.text) for m in request.messages if isinstance(m, HumanMessage))
        system = "\n\n".join(str(m.text) for m in request.messages if isinstance(m, SystemMessage))
        known, bodies = known_in(told), unfenced(told)
        answers = {title.removeprefix("answer "): body for title, body in bodies.items() if title.startswith("answer ")}
        if known is None:
            return NOTHING
        if kind_of(request.model) == _ORACLE:
            return oracle.graded(request, known, told)
        if wording.WRITER in system:
            return writer.written(self, request.model, known, bodies)
        if wording.JUDGE in system:
            return judge.compared(self, request.model, known, answers)
        if answers:  # of several tries of one model the best is to be picked
            return judge.picked(self, request.model, known, answers)
        return member.researched(self, request, known)
