"""What is compared on what, graded how: a file, one that comes with this package, or a few words on the command line."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from fusion_graph.checked import Checked, placed
from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.evaluation.shapes import Kind
from fusion_graph.evaluation.simulated import Simulation
from fusion_graph.settings import MAX_SEATS

_FOLDER = Path(__file__).parent / "configs"
_WAYS = "preset:NAME, solo:MODEL, best-of-N:MODEL, endpoint:MODEL"


class PublishedScore(Checked):
    """What was published of a configuration; it is shown, and enters no figure of ours."""

    score: float = Field(ge=0, le=100, description="Mean normalized score, 0 to 100")
    tasks: int = Field(ge=1, description="Tasks it is the mean of")
    source: str = Field("", description="Where it was published")


class Target(Checked):
    """What is measured: a panel, a model alone, the best of several tries of one, or an endpoint."""

    name: str = Field(min_length=1, description="What to call it")
    kind: Kind = Field("fusion", description="fusion, solo, best_of or endpoint")
    model: str = Field("", description="The model of a solo, a best_of or an endpoint")
    tries: int = Field(0, ge=0, le=MAX_SEATS, description="Answers of a best_of, of which its judge picks one")
    settings: dict[str, Any] = Field({}, description="Settings of the run, over those of `generation`")
    published: PublishedScore | None = Field(None, description="What was published of it")

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if self.kind != "fusion" and not self.model:
            hint = "name the model that answers"
            raise SettingsError(f"target {self.name!r} ({self.kind}) has no model", field="model", hint=hint)
        if self.kind == "best_of" and self.tries < 2:  # noqa: PLR2004  (one is no choice)
            hint = f"2 to {MAX_SEATS}; one try is a solo"
            raise SettingsError(
                f"target {self.name!r}: tries = {self.tries}", field="tries", value=self.tries, hint=hint
            )
        return self


class Grader(Checked):
    """Who grades, and by which protocol. What is left out is the protocol's."""

    protocol: str = Field("openrouter-2026-06-own", description="Name of a protocol, or a TOML file")
    pairs: str = Field("pairs-own", description="Protocol of pairwise verdicts, for questions without a rubric")
    model: str = Field("", description="Model that grades")
    gradings: int = Field(0, ge=0, le=20, description="Gradings of each answer. 0: the protocol's")
    members: bool = Field(True, description="Grade the answers of each panel's members as well")  # noqa: FBT003


class EvaluationConfig(Checked):
    """An evaluation. `generation` are settings that all targets have: what is not the same for all is not compared."""

    name: str = Field(min_length=1, description="What to call it")
    description: str = Field("", description="What it is for")
    dataset: str = Field("", description="Tasks to use if none are named: draco, mini, or a file")
    generation: dict[str, Any] = Field({}, description="Settings of every target")
    grader: Grader = Field(Grader(), description="Who grades")
    simulation: Simulation | None = Field(
        None, description="Simulated models: their figures say nothing about real ones"
    )
    compare: list[tuple[str, str]] = Field(
        [], description="Pairs of targets. Empty: each fusion with each target that is none"
    )
    target: list[Target] = Field(min_length=1, description="What is measured")

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [target.name for target in self.target]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SettingsError(f"two targets are called {twice!r}", field="target", value=twice, hint="rename one")
        for name in (name for pair in self.compare for name in pair):
            if name not in names:
                hint = did_you_mean(name, names)
                raise SettingsError(f"compare: there is no target {name!r}", field="compare", value=name, hint=hint)
        return self

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The comparisons to be made, each as two names of targets."""
        fused = [target.name for target in self.target if target.kind == "fusion"]
        others = [target.name for target in self.target if target.kind != "fusion"]
        return (
            self.compare
            or [(one, other) for one in fused for other in others]
            or [(one, other) for number, one in enumerate(fused) for other in fused[number + 1 :]]
        )


def config_names() -> list[str]:
    """Return the names of the configurations that come with this package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load_config(source: str) -> EvaluationConfig:
    """Return a configuration by its name, or from a TOML file.

    Raises:
        SettingsError: there is none, or it is wrong: field, value and remedy are named.
    """
    path = _FOLDER / f"{source}.toml" if source in config_names() else Path(source).expanduser()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = did_you_mean(source, config_names())
        message = f"there is no configuration {source!r} ({error.strerror})"
        raise SettingsError(message, field="config", value=source, hint=f"{known}; or a TOML file") from None
    except ValueError as error:
        raise SettingsError(
            f"{path}: {error}", field="config", value=source, hint="it must be TOML, in UTF-8"
        ) from None
    try:
        return EvaluationConfig.model_validate(found)
    except SettingsError as error:
        raise placed(error, str(path)) from None


def config_of(targets: Sequence[str]) -> EvaluationConfig:
    """Return a configuration of targets in few words: `preset:quality`, `solo:openai/gpt-5.5`, `best-of-3:MODEL`.

    Raises:
        SettingsError: one of them is none of these.
    """
    return EvaluationConfig(name="your targets", target=[_target(said) for said in targets])


def _target(said: str) -> Target:
    way, _, name = said.partition(":")
    tries = way.removeprefix("best-of-")
    if not name.strip() or not (way in {"preset", "solo", "endpoint"} or (tries != way and tries.isdecimal())):
        raise SettingsError(f"target {said!r} is unknown", field="target", value=said, hint=f"one of {_WAYS}")
    if way == "preset":
        return Target(name=name, settings={"preset": name})
    if way in {"solo", "endpoint"}:
        return Target(name=name, kind="solo" if way == "solo" else "endpoint", model=name)
    return Target(name=f"best of {tries}: {name}", kind="best_of", model=name, tries=int(tries))
