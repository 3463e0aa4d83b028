"""Answers and receipts are read whatever the product adds to them."""

from benchmarks.accuracy.product import bounds_of, cells_of, shown_of
from benchmarks.accuracy.questions import ASKED, Kind
from benchmarks.accuracy.scoring import Cell

WEEKLY = next(asked for asked in ASKED if asked.name == "Q8")
COLUMNS = [
    {"name": "week", "role": "dimension"},
    {"name": "department", "role": "dimension"},
    {"name": "answer", "role": "estimate"},
    {"name": "answer_lower", "role": "lower", "of": "answer"},
    {"name": "answer_upper", "role": "upper", "of": "answer"},
    {"name": "other_upper", "role": "upper", "of": "other"},
]


def test_intervals_are_those_of_the_answer() -> None:
    row = {"week": 3, "department": None, "answer": "2.5", "answer_lower": 1, "answer_upper": 4, "other_upper": 9}
    assert cells_of(WEEKLY, {"columns": COLUMNS, "rows": [row]}) == {(3, None): Cell(2.5, 1.0, 4.0)}


def test_a_group_without_a_value_is_left_out_and_one_without_an_interval_is_not() -> None:
    rows = [{"week": 1, "department": "A", "answer": None}, {"week": 2, "department": "A", "answer": 7}]
    assert cells_of(WEEKLY, {"columns": COLUMNS[:3], "rows": rows}) == {(2, "A"): Cell(7.0)}


def test_display_values_are_there_where_there_is_no_figure() -> None:
    rows = [{"week": 1, "department": "A", "answer": None, "answer_display": 3.5}, {"week": 2, "department": "A"}]
    assert shown_of(WEEKLY, {"columns": COLUMNS, "rows": rows}) == {(1, "A"): Cell(3.5)}


def test_bounds_are_those_of_every_release_and_what_is_no_number_is_passed_over() -> None:
    receipt = {
        "releases": [
            {"measures": [{"kind": "sum", "l2_bound": "1500.25"}, {"kind": "rows", "l2_bound": "3/4"}]},
            {"measures": [{"kind": "sum", "l2_bound": 8}, {"kind": "units", "l2_bound": "chosen"}, {"kind": "units"}]},
            {"keys": "threshold"},
        ]
    }
    assert bounds_of(receipt) == {"sum": 1500.25, "rows": 0.75, "sum 2": 8.0}


def test_each_question_is_asked_once_and_knows_what_an_empty_group_holds() -> None:
    assert [asked.name for asked in ASKED] == [f"Q{number}" for number in range(1, 9)]
    kinds = {asked.name: asked.kind for asked in ASKED}
    assert (kinds["Q4"], kinds["Q5"], kinds["Q6"]) == (Kind.THRESHOLD, Kind.MEAN, Kind.MEDIAN)
    assert {asked.name for asked in ASKED if asked.absent is None} == {"Q5", "Q6"}
