"""The search finds what trying everything would find."""

import math
from itertools import product

import pytest

from benchmarks.accuracy.search import Point, best_point, geometric, whole_numbers

AXES = (list(range(1, 31)), geometric(0.5, 900.0, 1.3))


@pytest.mark.parametrize(("first", "second"), [(1, 0.5), (17, 40.0), (30, 900.0), (3, 800.0)])
def test_one_valley_is_found_wherever_it_is(first: float, second: float) -> None:
    def error(at: Point) -> float:
        return (at[0] - first) ** 2 + 30 * math.log(at[1] / second) ** 2

    assert best_point(AXES, error) == min(((point, error(point)) for point in product(*AXES)), key=lambda each: each[1])


def test_it_does_not_try_everything() -> None:
    tried: list[Point] = []

    def error(at: Point) -> float:
        tried.append(at)
        return (at[0] - 9) ** 2 + at[1]

    best_point(AXES, error)
    assert len(tried) == len(set(tried)) < len(AXES[0]) * len(AXES[1]) / 4


def test_an_axis_of_one_value_is_an_axis() -> None:
    assert best_point(([7], [1.0]), lambda at: at[0] + at[1]) == ((7, 1.0), 8.0)


def test_grids_reach_both_ends() -> None:
    grid = geometric(1.0, 10.0, 1.5)
    assert grid[0] == 1.0
    assert grid[-1] >= 10.0 > grid[-2]
    assert whole_numbers(3) == [1, 2, 3]
    assert whole_numbers(500)[-1] == 500
    assert len(whole_numbers(500)) < 100
