"""The folder of an evaluation: what was asked for, what was paid for, and what it came to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from fusion_graph.errors import SettingsError
from fusion_graph.evaluation.config import EvaluationConfig
from fusion_graph.evaluation.dataset import load_dataset, sampled
from fusion_graph.evaluation.shapes import Dataset, Results
from fusion_graph.evaluation.stages import Wanted

ASKED, RESULTS = "evaluation.json", "results.json"


def note(wanted: Wanted) -> None:
    """Write what is asked for into its folder, so that it can be graded again."""
    dataset = wanted.dataset
    asked = {
        "configuration": wanted.config.model_dump(mode="json", exclude_unset=True),
        "dataset": {"source": dataset.source, "revision": dataset.revision, "sha256": dataset.sha256},
        "sampled": dict(wanted.sampled) if wanted.sampled else None,
    }
    wanted.folder.mkdir(parents=True, exist_ok=True)
    _write(wanted.folder / ASKED, asked)


def noted(folder: Path) -> tuple[EvaluationConfig, Dataset, Mapping[str, int] | None]:
    """Return what was asked for in a folder. Blocks.

    Raises:
        SettingsError: there is no evaluation in it, or its data set has changed since.
        FusionError: the data set could not be read.
    """
    asked = _read(folder / ASKED)
    of = asked["dataset"]
    dataset = load_dataset(of["source"], revision=of["revision"], sha256=of["sha256"])
    if drawn := asked["sampled"]:
        dataset = sampled(dataset, drawn["n"], drawn["seed"])
    return EvaluationConfig.model_validate(asked["configuration"]), dataset, drawn


def keep(results: Results, folder: Path) -> Path:
    """Write the figures into a folder, and return where they are."""
    return _write(folder / RESULTS, results)


def kept(folder: Path) -> Results:
    """Return the figures of a folder. Raises SettingsError if there are none."""
    return cast("Results", _read(folder / RESULTS))


def _write(path: Path, value: object) -> Path:
    """Write JSON where readers find the old until the new is whole."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
    return new.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        hint = "name a folder that `fusion draco run --out` has written"
        raise SettingsError(f"{path}: {why}", field="folder", value=str(path.parent), hint=hint) from None
