"""How many tasks a comparison takes: how often a true difference between two targets shows."""

from collections.abc import Sequence
from math import ceil
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

SD = 19.0  # of a difference between two targets on one task, in points
_STUDIES, _FLIPS = 2_000, 999


def tasks_needed(difference: float, *, sd: float = SD, power: float = 0.8) -> int:
    """Return how many tasks show a true difference with this power at p <= 0.05 (normal approximation)."""
    normal = NormalDist()
    return ceil(((normal.inv_cdf(0.975) + normal.inv_cdf(power)) * sd / difference) ** 2)


def simulated_power(n: int, differences: Sequence[float], *, sd: float = SD, seed: int = 0) -> list[float]:
    """Return how often `n` tasks give p <= 0.05 in the sign-flip test, for each true difference: a simulation."""
    rng = np.random.default_rng([seed, n])
    noise, signs = rng.normal(0, sd, (_STUDIES, n)), rng.choice((-1.0, 1.0), size=(n, _FLIPS))
    seen, flipped, tilt = noise.sum(axis=1, keepdims=True), noise @ signs, signs.sum(axis=0)
    # The sums of all studies with a difference added: signs turn it, too.
    return [_significant(np.abs(flipped + d * tilt), np.abs(seen + d * n)) for d in differences]


def _significant(flipped: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> float:
    hits = (flipped >= seen - 1e-9).sum(axis=1)  # sums of the same numbers differ by rounding
    return float(((hits + 1) / (_FLIPS + 1) <= 0.05).mean())  # noqa: PLR2004 - of the docstring above
