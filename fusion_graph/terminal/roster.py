"""Who takes part in a run, as its settings say, in the one line that stands above it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fusion_graph.errors import FusionError
from fusion_graph.schemas import is_demo
from fusion_graph.terminal.words import DEMO, counted, in_line, money

OWN = "own panel"


@dataclass(frozen=True, slots=True)
class Roster:
    """The models of a run. `seats` maps a seat's number to what it is called."""

    preset: str
    seats: Mapping[int, str]
    judge: str
    writer: str
    mode: str
    budget: float
    is_demo: bool

    def __str__(self) -> str:
        return f"{self.preset}: {', '.join([self.panel, *self._others])}"

    @property
    def panel(self) -> str:
        """The panel in words, and whether it is asked at all."""
        if self.mode == "never":
            return "no panel"
        return counted(len(self.seats), "seat") + (" if the writer wants them" if self.mode == "auto" else "")

    @property
    def _others(self) -> list[str]:
        if self.mode == "never":
            return [f"writer {self.writer}"]
        same = self.judge == self.writer
        return [f"judge and writer {self.writer}"] if same else [f"judge {self.judge}", f"writer {self.writer}"]

    @property
    def notes(self) -> list[str]:
        """What else there is to know: the budget, and whether it is the demo."""
        return [*([f"budget {money(self.budget)}"] if self.budget else []), *([DEMO] if self.is_demo else [])]


def roster_of(settings: Mapping[str, Any]) -> Roster:
    """Return the roster of a run's settings, as its state or its result holds them."""
    seats = [seat if isinstance(seat, Mapping) else {"model": seat} for seat in settings.get("panel") or []]
    models = [str(seat.get("model", "")) for seat in seats]
    judge, writer = str(settings.get("judge") or ""), str(settings.get("writer") or "")
    return Roster(
        preset=in_line(_preset(settings, models)),
        seats={number: in_line(seat.get("name") or seat.get("model")) for number, seat in enumerate(seats, 1)},
        judge=in_line(judge),
        writer=in_line(writer),
        mode=str(settings.get("mode") or "always"),
        budget=float(settings.get("max_cost_usd") or 0),
        is_demo=any(is_demo(name) for name in [*models, judge, writer]),
    )


def _preset(settings: Mapping[str, Any], models: list[str]) -> str:
    """Return the preset's name if the panel is the preset's own."""
    from fusion_graph.presets import load_presets, preset_of  # noqa: PLC0415  (pydantic)

    try:
        return preset_of(str(settings.get("preset")), models, load_presets()) or OWN
    except FusionError:  # the user's file is broken now; the run was started with a whole one
        return OWN
