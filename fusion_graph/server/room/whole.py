"""A run with all there is of it: its row, its result object, the graph's state."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.messages import messages_from_dict

from fusion_graph import prompts
from fusion_graph.characters import visible
from fusion_graph.errors import FusionError
from fusion_graph.presets import resolve
from fusion_graph.runs import Runs
from fusion_graph.schemas import ENDED, Analysis, SeatResult, Source
from fusion_graph.settings import FusionSettings, load_settings
from fusion_graph.store import RunRow


class Whole(NamedTuple):
    """A run. What it holds so far is in `result` and `values` also before its end; `settings` are None if nobody knows them."""

    row: RunRow
    result: dict[str, Any]
    values: Mapping[str, Any]
    settings: FusionSettings | None

    @property
    def has_ended(self) -> bool:
        """Whether it came to a result."""
        return self.row["status"] in ENDED

    @property
    def question(self) -> str:
        """What was asked, all of it."""
        asked = prompts.asked(messages_from_dict(self.row["input"]["messages"]))
        return str(asked[-1].text) if asked else self.row["question"]

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Every attempt of every call."""
        found: list[dict[str, Any]] = self.result["usage"]["calls"]
        return found

    @property
    def results(self) -> dict[int, SeatResult]:
        """What the seats brought, by number."""
        return {result["seat"]: result for result in self.values.get("results") or []}

    @property
    def sources(self) -> list[Source]:
        """The pages of the run, in the order of their numbers."""
        return self.values.get("sources") or []

    @property
    def analysis(self) -> Analysis | None:
        """The comparison."""
        return self.values.get("analysis")

    @property
    def asks_panel(self) -> bool:
        """Whether seats are asked, or have been."""
        decision = self.values.get("decision")
        kind = decision["kind"] if decision else ""
        is_to_be = not decision and self.settings is not None and self.settings.mode == "always"
        return bool(self.results) or kind == "fuse" or is_to_be

    @property
    def reasons(self) -> list[str]:
        """How it came short; of a run under way nothing is to be said yet."""
        return self.result["reasons"] if self.has_ended or self.row["status"] == "interrupted" else []


async def read_whole(runs: Runs, row: RunRow, environ: Mapping[str, str]) -> Whole:
    """Return all there is of a run."""
    result, values = await runs.read(row)
    return Whole(row, result, values, await asyncio.to_thread(_settings, row, values, environ))


def _settings(row: RunRow, values: Mapping[str, Any], environ: Mapping[str, str]) -> FusionSettings | None:
    """Return a run's settings; before it has stored any, what they would be now."""
    stored = values.get("settings")
    try:
        return load_settings(stored) if stored else resolve(row["input"]["settings"], environ=environ)
    except FusionError:  # a preset that is gone, or a value of a time that allowed others
        return None


def in_line(text: object) -> str:
    """Return text as one line, without characters that only a machine reads."""
    return " ".join(visible(str(text)).split())
