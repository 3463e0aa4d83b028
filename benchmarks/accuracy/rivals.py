"""The best that fixed bounds could give for each question, found with the true data in hand, as nobody could.

`l0 × linf` truncation as other systems do it: a unit counts in l0 groups, with at most linf in each. All of ρ goes into
the answer; that the bounds were chosen costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.accuracy import contributions
from benchmarks.accuracy.fixed_bounds import Contributions, Truncation, Tuned, best_l2, gaussian
from benchmarks.accuracy.means import Means
from benchmarks.accuracy.medians import Medians
from benchmarks.accuracy.questions import Asked, Kind
from benchmarks.accuracy.thresholds import GaussianKeys, Released, Thresholded

RANDOM: Final = "l0 × linf, random groups"
LARGEST: Final = "l0 × linf, largest groups"
L2: Final = "one fixed L2 bound"


@dataclass(frozen=True, slots=True)
class Rival:
    """The best bounds of one kind for a question at one ρ, and the errors to be expected of them."""

    kind: str
    bounds: tuple[float, ...]
    rmse: float
    relative: float
    released: float | None = None  # keys, where they have to be chosen


def rivals(plain_file: Path, asked: Asked, rhos: Sequence[float], copies: int, group_count: int) -> list[list[Rival]]:
    """The rivals at each ρ; the file has one copy of the households."""
    if asked.kind is Kind.MEAN:
        means = Means(contributions.lines(plain_file, asked), copies)
        return [[_rival(RANDOM, means.truncated(rho)), _rival(L2, means.scaled(rho))] for rho in rhos]
    if asked.kind is Kind.MEDIAN:
        medians = Medians(contributions.lines(plain_file, asked), copies)
        return [[_rival(RANDOM, medians.truncated(rho))] for rho in rhos]
    data = contributions.of_sums(plain_file, asked.question, group_count)
    kinds = {RANDOM: Truncation.of_random_groups(data), LARGEST: Truncation.of_largest_groups(data)}
    if asked.kind is Kind.THRESHOLD:
        found = {
            name: Thresholded(each, copies).best([GaussianKeys(rho) for rho in rhos]) for name, each in kinds.items()
        }
        return [[_released(name, each[place]) for name, each in found.items()] for place in range(len(rhos))]
    return _sums(data, kinds, rhos, copies)


def _sums(data: Contributions, kinds: dict[str, Truncation], rhos: Sequence[float], copies: int) -> list[list[Rival]]:
    found = {name: kept.best([gaussian(rho) for rho in rhos], copies) for name, kept in kinds.items()}
    found[L2] = best_l2(data, rhos, copies)
    return [[_rival(name, each[place]) for name, each in found.items()] for place in range(len(rhos))]


def _released(kind: str, found: Released) -> Rival:
    return Rival(kind, found.bounds, found.error, math.nan, found.released)


def _rival(kind: str, tuned: Tuned) -> Rival:
    return Rival(kind, tuned.bounds, tuned.error, tuned.relative)
