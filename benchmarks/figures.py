"""Summaries of repeated measurements."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some measurements, and the least and the greatest of them."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def ratios(ours: Sequence[float], plain: Sequence[float]) -> Spread:
    """Each of our times over the plain time measured right before it: what else the machine did weighs on both."""
    return Spread.of([mine / theirs for mine, theirs in zip(ours, plain, strict=True)])


def differences(ours: Sequence[float], plain: Sequence[float]) -> Spread:
    """Each of our times less the plain time measured right before it."""
    return Spread.of([mine - theirs for mine, theirs in zip(ours, plain, strict=True)])


def finite(value: object) -> object:
    """The value with None for each number that JSON has no word for, in maps and lists too."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
