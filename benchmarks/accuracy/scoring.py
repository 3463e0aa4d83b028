"""How far answers are from the truth, and how often their intervals hold it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from benchmarks.figures import Spread

Key = tuple[object, ...]
_PARTS: Final = ("the smallest quarter", "the second", "the third", "the largest quarter")
EMPTY: Final = "no lines"


@dataclass(frozen=True, slots=True)
class Cell:
    """An answer for one group, with its interval if it has one."""

    value: float
    lower: float | None = None
    upper: float | None = None

    def covers(self, true: float) -> bool | None:
        """Whether the interval holds the value; None where there is no interval."""
        return None if self.lower is None or self.upper is None else self.lower <= true <= self.upper


@dataclass(frozen=True, slots=True)
class Truth:
    """What DuckDB answers without privacy, and of how many lines: groups without lines are not in it."""

    values: Mapping[Key, float]
    lines: Mapping[Key, int]


@dataclass(frozen=True, slots=True)
class Covered:
    """How often the intervals of some groups held the truth."""

    name: str
    cells: int
    share: float


@dataclass(frozen=True, slots=True)
class Score:
    """Several answers to one question; each spread is over the answers."""

    answers: int
    groups: int
    released: Spread  # groups that an answer has
    rmse: float  # over all groups and answers
    rmse_by_answer: Spread
    relative: float  # the median over groups that are not empty, and over answers; see `score`
    relative_by_answer: Spread
    coverage: float | None
    coverage_by_answer: Spread | None
    coverage_by_size: tuple[Covered, ...]


def score(truth: Truth, answers: Sequence[Mapping[Key, Cell]], absent: float | None) -> Score:
    """The errors and coverage of answers to one question.

    `absent` is the true value of a group without lines, and what an answer says of a group that it leaves out; relative
    errors are over the groups that are answered. Where it is None, as for means, groups without lines are passed over,
    and one that an answer leaves out has a relative error of 1: all is unknown.
    """
    everywhere = set(truth.values).union(*answers) if absent is not None else set(truth.values)
    keys = sorted(everywhere, key=repr)
    true = {key: truth.values.get(key, absent if absent is not None else math.nan) for key in keys}
    errors = [_errors(true, answer, absent) for answer in answers]
    shares = [
        [abs(error) / abs(true[key]) for key, error in each.items() if key in answer and true[key]]
        for each, answer in zip(errors, answers, strict=True)
    ]
    if absent is None:
        shares = [
            each + [1.0] * sum(key not in answer for key in keys) for each, answer in zip(shares, answers, strict=True)
        ]
    covered = [
        {key: held for key in keys if key in answer and (held := answer[key].covers(true[key])) is not None}
        for answer in answers
    ]
    intervals = [held for each in covered for held in each.values()]
    return Score(
        answers=len(answers),
        groups=len(keys),
        released=Spread.of([float(len(answer)) for answer in answers]),
        rmse=_root_mean_square([error for each in errors for error in each.values()]),
        rmse_by_answer=Spread.of([_root_mean_square(each.values()) for each in errors]),
        relative=_median([share for each in shares for share in each]),
        relative_by_answer=Spread.of([_median(each) for each in shares]),
        coverage=_share(intervals) if intervals else None,
        coverage_by_answer=Spread.of([_share(each.values()) for each in covered]) if intervals else None,
        coverage_by_size=_by_size(truth, covered) if intervals else (),
    )


def measured_error(answers: Sequence[Sequence[float]], truth: Sequence[float]) -> float:
    """The root-mean-square error of answers that were drawn, over all groups and draws."""
    return math.sqrt(float(np.mean((np.asarray(answers) - np.asarray(truth)) ** 2))) if truth else math.nan


def relative_error(answers: Iterable[Sequence[float]], truth: Sequence[float]) -> float:
    """The median over groups (that are not empty) and draws of |answer − truth| / |truth|."""
    pairs = [pair for answer in answers for pair in zip(answer, truth, strict=True)]
    return _median([abs(value - true) / abs(true) for value, true in pairs if true])


def size_classes(lines: Mapping[Key, int]) -> dict[Key, str]:
    """The quarter that each group belongs to, by its number of lines: quarters of the groups, not of the lines."""
    order = sorted(lines, key=lambda key: (lines[key], repr(key)))
    return {key: _PARTS[place * len(_PARTS) // len(order)] for place, key in enumerate(order)}


def _errors(true: Mapping[Key, float], answer: Mapping[Key, Cell], absent: float | None) -> dict[Key, float]:
    if absent is None:
        return {key: answer[key].value - value for key, value in true.items() if key in answer}
    return {key: (answer[key].value if key in answer else absent) - value for key, value in true.items()}


def _by_size(truth: Truth, covered: Sequence[Mapping[Key, bool]]) -> tuple[Covered, ...]:
    classes = size_classes(truth.lines)
    found: dict[str, list[bool]] = {name: [] for name in (*_PARTS, EMPTY)}
    for each in covered:
        for key, held in each.items():
            found[classes.get(key, EMPTY)].append(held)
    return tuple(Covered(name, len(held), _share(held)) for name, held in found.items() if held)


def _root_mean_square(errors: Iterable[float]) -> float:
    squares = [error * error for error in errors]
    return math.sqrt(sum(squares) / len(squares)) if squares else math.nan


def _median(values: Sequence[float]) -> float:
    return median(values) if values else math.nan


def _share(held: Iterable[bool]) -> float:
    found = list(held)
    return sum(found) / len(found) if found else math.nan
