"""Under which bounds peers are asked: those of the published comparison, and the best that there are for their noise.

The best are found with the true data in hand, so they flatter: nobody could choose them without looking.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.accuracy import contributions
from benchmarks.accuracy.fixed_bounds import Truncation, gaussian, laplace
from benchmarks.accuracy.means import Means
from benchmarks.accuracy.medians import Medians
from benchmarks.accuracy.questions import Asked, Kind
from benchmarks.accuracy.thresholds import GaussianKeys, LaplaceKeys, Thresholded

GROUPS: Final = 20
_STATED: Final[Mapping[str, tuple[float, ...]]] = {
    "lines": (20.0,),
    "products": (20.0,),
    "households": (1.0,),
    "spend": (100.0,),
    "mean": (100.0, 20.0),
    "median": (20.0,),
}
_SHAPES: Final = {"Q3": "households", "Q4": "products", "Q5": "mean", "Q6": "median", "Q1": "lines"}


@dataclass(frozen=True, slots=True)
class Price:
    """What every peer may spend: ε and δ, and ρ for those that add Gaussian noise."""

    epsilon: float
    delta: float
    rho: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """A unit counts in so many groups, with at most so much of each measure in one."""

    groups: int
    each: tuple[float, ...]

    def __str__(self) -> str:
        return " × ".join([f"{self.groups:,}", *(f"{bound:,.4g}" for bound in self.each)])


def shape_of(asked: Asked) -> str:
    """What a peer has to compute: the name under which its process knows it."""
    return _SHAPES.get(asked.name, "spend")


def stated(asked: Asked) -> Bounds:
    """20 groups a unit, counts in [0, 20] and sums in [0, 100] in each."""
    return Bounds(GROUPS, _STATED[shape_of(asked)])


def best(plain_file: Path, asked: Asked, price: Price, mechanism: str) -> Bounds:
    """The bounds with the least error for `laplace` or `gaussian` noise."""
    is_laplace = mechanism == "laplace"
    if asked.kind is Kind.MEAN:
        means = Means(contributions.lines(plain_file, asked), 1)
        scale = _laplace_half(price) if is_laplace else None
        return _bounds(means.truncated(price.rho, scale).bounds)
    if asked.kind is Kind.MEDIAN:
        return _bounds(Medians(contributions.lines(plain_file, asked), 1).truncated(price.rho).bounds)
    kept = Truncation.of_random_groups(contributions.of_sums(plain_file, asked.question, _groups(plain_file, asked)))
    if asked.kind is Kind.THRESHOLD:
        keys = LaplaceKeys(price.epsilon, price.delta) if is_laplace else GaussianKeys(price.rho)
        return _bounds(Thresholded(kept, 1).best([keys])[0].bounds)
    return _bounds(kept.best([laplace(price.epsilon) if is_laplace else gaussian(price.rho)])[0].bounds)


def _laplace_half(price: Price) -> Callable[[float], float]:
    """The deviation of Laplace noise at ε/2 for sums of at most 1 in each of so many groups."""
    return lambda groups: math.sqrt(2) * groups / (price.epsilon / 2)


def _bounds(found: tuple[float, ...]) -> Bounds:
    return Bounds(round(found[0]), found[1:])


def _groups(plain_file: Path, asked: Asked) -> int:
    return len(contributions.truth(plain_file, asked).values)
