"""Targets of finished evaluations against one another, on the tasks that both have a score of."""

from collections.abc import Mapping, Sequence

from fusion_graph.errors import SettingsError, did_you_mean
from fusion_graph.evaluation.shapes import Comparison, Results
from fusion_graph.evaluation.statistics import holm, paired


def compared(found: Mapping[str, Results], a: str = "", b: str = "") -> list[Comparison]:
    """Return how targets differ: `a` and `b` or, where a name is empty, every other. `found` is by folder.

    Raises:
        SettingsError: there is no such target, the evaluations are of other tasks, or were graded by other protocols.
    """
    _refuse_unlike(found)
    scores = _scores(found)
    for name in (a, b):
        if name and name not in scores:
            raise SettingsError(f"no target is called {name!r}", field="target", value=name, hint=_names(name, scores))
    names = list(scores)
    pairs = [(a, b)] if a and b else [(a or b, name) for name in names if name != (a or b)] if a or b else []
    pairs = pairs or [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    told = [(one, other, paired(scores[one], scores[other])) for one, other in pairs]
    adjusted = holm([each.p for _, _, each in told])
    return [
        {"a": one, "b": other, **each._asdict(), "p_holm": p}  # type: ignore[typeddict-item]
        for (one, other, each), p in zip(told, adjusted, strict=True)
    ]


def comparison_lines(comparisons: Sequence[Comparison]) -> list[tuple[str, ...]]:
    """Return a table's rows under a header: the difference with its interval, p, and who won how many tasks."""
    rows = [("A", "B", "TASKS", "A - B", "95 % CI", "P", "P (HOLM)", "WINS", "TIES", "LOSSES")]
    return rows + [_row(each) for each in comparisons]


def _row(each: Comparison) -> tuple[str, ...]:
    difference = each["difference"]
    low, high = difference["low"], difference["high"]
    between = "-" if low is None or high is None else f"{low:+.1f} to {high:+.1f}"
    mean = "-" if difference["mean"] is None else f"{difference['mean']:+.1f}"
    ps = ["-" if p is None else f"{p:.3f}" for p in (each["p"], each["p_holm"])]
    figures = [str(each["wins"]), str(each["ties"]), str(each["losses"])]
    return (each["a"], each["b"], str(difference["n"]), mean, between, *ps, *figures)


def _scores(found: Mapping[str, Results]) -> dict[str, dict[str, float]]:
    """Return the scores of every target by task; names say their folder where there are several."""
    return {
        (f"{folder}: {target['name']}" if len(found) > 1 else target["name"]): {
            row["task"]: score for row in results["tasks"] if (score := row["scores"].get(target["name"])) is not None
        }
        for folder, results in found.items()
        for target in results["targets"]
    }


def _names(name: str, scores: Mapping[str, object]) -> str:
    inside = [each for each in scores if each.endswith(f": {name}")]
    return f"write {inside[0]!r}" if inside else did_you_mean(name, scores)


def _refuse_unlike(found: Mapping[str, Results]) -> None:
    """Refuse to compare what was graded on other tasks, by other words or by another model."""
    first_folder, first = next(iter(found.items()))
    for folder, results in found.items():
        for part, names in (("dataset", ("sha256",)), ("protocol", ("sha256", "model", "gradings"))):
            for name in names:
                one, other = first[part][name], results[part][name]  # type: ignore[literal-required]
                if one != other:
                    message = f"{first_folder} and {folder} cannot be compared: {part} {name} {one!r} is not {other!r}"
                    hint = "grade both by the same protocol: fusion draco judge DIR"
                    raise SettingsError(message, field=part, value=other, hint=hint)
