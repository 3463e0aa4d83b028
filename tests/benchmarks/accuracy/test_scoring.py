"""Answers are compared with the truth group by group, and what is left out counts as left out."""

import math

import pytest

from benchmarks.accuracy.scoring import EMPTY, Cell, Key, Truth, measured_error, relative_error, score, size_classes

A: Key = ("a",)
B: Key = ("b",)
C: Key = ("c",)
TRUE = Truth({A: 10.0, B: 100.0}, {A: 5, B: 50})


def test_errors_are_over_all_groups_and_answers() -> None:
    found = score(
        TRUE, [{A: Cell(13.0), B: Cell(96.0), C: Cell(0.0)}, {A: Cell(10.0), B: Cell(100.0), C: Cell(0.0)}], 0.0
    )
    assert (found.answers, found.groups) == (2, 3)
    assert found.rmse == pytest.approx(math.sqrt((9 + 16) / 6))
    assert found.rmse_by_answer.least == 0.0
    assert found.rmse_by_answer.greatest == pytest.approx(math.sqrt(25 / 3))
    assert found.relative == pytest.approx((0.0 + 0.04) / 2)


def test_a_group_without_lines_is_zero_where_there_are_sums() -> None:
    assert score(TRUE, [{A: Cell(10.0), B: Cell(100.0), C: Cell(6.0)}], 0.0).rmse == pytest.approx(math.sqrt(12))


def test_a_key_that_is_not_released_counts_as_zero_and_not_in_relative_errors() -> None:
    found = score(TRUE, [{A: Cell(12.0)}], 0.0)
    assert found.rmse == pytest.approx(math.sqrt((2**2 + 100**2) / 2))
    assert found.relative == pytest.approx(0.2)
    assert found.released.median == 1.0


def test_a_mean_that_is_not_answered_is_wholly_unknown() -> None:
    found = score(TRUE, [{A: Cell(11.0), C: Cell(3.0)}], None)
    assert found.groups == 2
    assert found.rmse == pytest.approx(1.0)
    assert found.relative == pytest.approx((0.1 + 1.0) / 2)


def test_intervals_are_counted_by_group_and_size() -> None:
    true = Truth({(n,): float(n) for n in range(1, 9)}, {(n,): n for n in range(1, 9)})
    held: dict[Key, Cell] = {(n,): Cell(0.0, n - 1.0, n + 1.0) for n in range(1, 5)}
    missed: dict[Key, Cell] = {(n,): Cell(0.0, n + 1.0, n + 2.0) for n in range(5, 9)}
    found = score(true, [{**held, **missed, ("empty",): Cell(0.0, -1.0, 1.0)}], 0.0)
    assert found.coverage == pytest.approx(5 / 9)
    assert {each.name: (each.cells, each.share) for each in found.coverage_by_size} == {
        "the smallest quarter": (2, 1.0),
        "the second": (2, 1.0),
        "the third": (2, 0.0),
        "the largest quarter": (2, 0.0),
        EMPTY: (1, 1.0),
    }


def test_cells_without_an_interval_are_not_counted_as_misses() -> None:
    found = score(TRUE, [{A: Cell(10.0, 9.0, 11.0), B: Cell(100.0)}, {A: Cell(10.0, 11.0, 12.0), B: Cell(100.0)}], 0.0)
    assert found.coverage == pytest.approx(0.5)
    assert score(TRUE, [{A: Cell(10.0)}], 0.0).coverage is None


def test_the_ends_of_an_interval_belong_to_it() -> None:
    assert Cell(1.0, 1.0, 2.0).covers(1.0) is True
    assert Cell(1.0, 1.0, 2.0).covers(2.0) is True
    assert Cell(1.0, 1.0, 2.0).covers(2.1) is False


def test_quarters_are_of_groups_by_their_lines() -> None:
    classes = size_classes({A: 1_000, B: 3, C: 2, ("d",): 1})
    assert [classes[key] for key in (("d",), C, B, A)] == list(dict.fromkeys(classes.values()))
    assert classes[A] == "the largest quarter"


def test_drawn_errors_are_over_groups_and_draws() -> None:
    assert measured_error([[1.0, 2.0], [3.0, 2.0]], [1.0, 2.0]) == pytest.approx(1.0)
    assert relative_error([[1.0, 5.0, 9.0], [2.0, 5.0, 9.0]], [1.0, 4.0, 0.0]) == pytest.approx(0.25)
    assert math.isnan(measured_error([[]], []))
    assert math.isnan(relative_error([[]], []))
