"""Answers for people: display values, how far they may be off, and a mark for the poor ones."""

from __future__ import annotations

from typing import Any

import pytest

from service.readable import Readable, names, readable

COLUMNS: list[dict[str, Any]] = [
    {"name": "week", "role": "dimension"},
    {"name": "n", "role": "estimate"},
    *({"name": f"n_{role}", "role": role, "of": "n"} for role in ("lower", "upper", "display", "reliability")),
    {"name": "r", "role": "derived"},
]
ROW = {"week": 3, "n": 12_345, "n_lower": 12_105, "n_upper": 12_585, "n_display": 12_300, "n_reliability": "good"}


def test_only_the_statements_own_columns_are_shown() -> None:
    assert names(COLUMNS) == ["week", "n", "r"]
    assert list(readable(COLUMNS, ROW)) == ["week", "n", "r"]


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, Readable("12,300 ± 240")),
        ({"n_reliability": "poor"}, Readable("12,300 ± 240 (poor)", poor=True)),
        ({"n_upper": 13_345}, Readable("12,300 - 240 + 1,000")),
        ({"n_lower": None, "n_upper": None, "n_reliability": None}, Readable("12,300 (no interval)")),
        ({"n": None, "n_display": None, "n_lower": None, "n_upper": None, "n_reliability": None}, Readable("")),
        ({"n_display": 0.5}, Readable("0.5 ± 240")),
    ],
)
def test_an_estimate_is_shown_with_how_far_it_may_be_off(changed: dict[str, Any], shown: Readable) -> None:
    assert readable(COLUMNS, ROW | changed)["n"] == shown


def test_an_answer_of_an_older_version_is_shown_by_its_raw_figures() -> None:
    older = {"week": 3, "n": 12_345, "n_lower": 12_105.0, "n_upper": 12_585.0, "r": 0.25}
    shown = readable(COLUMNS, older)
    assert [cell.text for cell in shown.values()] == ["3", "12,345 ± 240", "0.25"]
    assert readable([{"name": "n", "role": "estimate"}], {"n": 7})["n"].text == "7 (no interval)"
