"""What peers answer is read by key, and compared over groups that have lines."""

import pytest

from benchmarks.accuracy.questions import ASKED
from benchmarks.accuracy.scoring import Cell, Truth
from benchmarks.peers.measuring import one_line, rows_of, scored

LINES_BY_PRODUCT = next(asked for asked in ASKED if asked.name == "Q4")


def test_the_last_of_a_row_is_the_answer_and_the_rest_is_its_key() -> None:
    assert rows_of([[3, "MEAT", 7], [4, None, 2.5], [5, "DELI", None]]) == {
        (3, "MEAT"): Cell(7.0),
        (4, None): Cell(2.5),
    }


def test_groups_without_lines_are_passed_over_and_missing_ones_count_as_zero() -> None:
    true = Truth({(1,): 3.0, (2,): 4.0}, {(1,): 3, (2,): 4})
    found = scored(LINES_BY_PRODUCT, true, [{(1,): Cell(3.0), (9,): Cell(1000.0)}])
    assert found.groups == 2
    assert found.rmse == pytest.approx((16 / 2) ** 0.5)


def test_what_a_peer_says_fits_into_a_cell() -> None:
    assert one_line("no\n  such | thing ") == "no such ¦ thing"
