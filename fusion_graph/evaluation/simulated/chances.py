"""How good simulated models are, and the draws that decide what they say."""

import hashlib

from pydantic import Field

from fusion_graph.checked import Checked
from fusion_graph.evaluation.simulated.key import Point

SIMULATED = "simulated"
_DIGITS = 13  # of a hash: what a float holds exactly
_RANGE = 16.0**_DIGITS


def kind_of(name: str) -> str:
    """Return a model's name without its provider, and without the number that gives it luck of its own."""
    return name.removeprefix(f"{SIMULATED}:").partition("#")[0]


class Traits(Checked):
    """How good a member is."""

    recall: float = Field(0.5, ge=0, le=1, description="Chance to find what is to be found")
    errors: float = Field(0.1, ge=0, le=1, description="Chance to say what is wrong")
    shared: float = Field(0.0, ge=0, le=1, description="Chance that luck common to all members decides, not its own")


class Chances(Checked):
    """All that is drawn depends on the seed, the task, the criterion and the model's name only."""

    seed: int = Field(1, description="What all draws depend on")
    keep1: float = Field(0.8, ge=0, le=1, description="Chance that the judge reports what one member alone says")
    keep2: float = Field(0.95, ge=0, le=1, description="Chance that the judge reports what several members say")
    catch1: float = Field(0.7, ge=0, le=1, description="Chance that the judge sees through the error of one member")
    catch2: float = Field(0.2, ge=0, le=1, description="Chance that the judge sees through a shared error")
    gain: float = Field(0.0, ge=0, le=1, description="Chance that the writer adds what no member says")
    models: dict[str, Traits] = Field({}, description="The members by name")

    def finds(self, name: str, point: Point) -> bool:
        """Return whether a member comes upon a point, right or wrong."""
        traits = self.models.get(kind_of(name), Traits(recall=0, errors=0))
        of_all = self._draw(point, name, "shared") < traits.shared
        luck = self._draw(point, "all" if of_all else name, "found")
        return luck < (traits.errors if point.is_error else traits.recall)

    def keeps(self, name: str, point: Point, voices: int) -> bool:
        """Return whether a judge or a writer has a point that so many members have."""
        return self._draw(point, name, "kept") < (self.gain, self.keep1, self.keep2)[min(voices, 2)]

    def catches(self, name: str, point: Point, voices: int) -> bool:
        """Return whether a judge sees through an error that so many members make."""
        return self._draw(point, name, "caught") < (self.catch1 if voices == 1 else self.catch2)

    def _draw(self, point: Point, who: str, what: str) -> float:
        """Return a number from 0 up to 1, the same in every process."""
        drawn_for = f"{self.seed}/{point.task}/{point.id}/{who}/{what}"
        return int(hashlib.sha256(drawn_for.encode()).hexdigest()[:_DIGITS], 16) / _RANGE
