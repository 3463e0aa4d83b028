"""The best point of a grid, without trying all of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Final

Point = tuple[float, ...]
_STEPS: Final = (4, 2, 1)


def best_point(axes: Sequence[Sequence[float]], error: Callable[[Point], float]) -> tuple[Point, float]:
    """The point with the least error, and that error.

    Every fourth value of each axis is tried with every fourth of the others; from the best of these on, neighbours two
    and one steps away, until none is better. Exact where the error has one valley.
    """

    @cache
    def error_at(place: tuple[int, ...]) -> float:
        return error(tuple(axis[index] for axis, index in zip(axes, place, strict=True)))

    coarse = product(*(_every(len(axis), _STEPS[0]) for axis in axes))
    best = min(coarse, key=error_at)
    for step in _STEPS[1:]:
        while (nearby := min(_neighbours(best, axes, step), key=error_at)) != best:
            best = nearby
    return tuple(axis[index] for axis, index in zip(axes, best, strict=True)), error_at(best)


def geometric(low: float, high: float, factor: float) -> list[float]:
    """From `low` to at least `high` in steps of a factor."""
    steps = max(0, math.ceil(math.log(high / low) / math.log(factor)))
    return [low * factor**step for step in range(steps + 1)]


def whole_numbers(most: int) -> list[int]:
    """1 to `most`: all of the first 40, then in steps of a tenth."""
    return sorted({min(most, max(step, round(40 * 1.1 ** (step - 40)))) for step in range(1, most + 1)})


def _every(length: int, step: int) -> list[int]:
    return sorted({*range(0, length, step), length - 1})


def _neighbours(place: tuple[int, ...], axes: Sequence[Sequence[float]], step: int) -> list[tuple[int, ...]]:
    """The place itself first, so that it stays where nothing is better."""
    moved = product(*((index, index - step, index + step) for index in place))
    return [near for near in moved if all(0 <= i < len(axis) for i, axis in zip(near, axes, strict=True))]
