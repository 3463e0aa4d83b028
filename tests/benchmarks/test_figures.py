"""Pairs are compared with each other before they are summed up."""

import math
from pathlib import Path

from benchmarks.datasets import fingerprint
from benchmarks.figures import Spread, differences, finite, ratios


def test_each_time_is_compared_with_the_plain_one_before_it() -> None:
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]) == Spread(3.0, 2.0, 4.0)
    assert differences([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]) == Spread(3.0, 1.0, 20.0)


def test_data_are_made_anew_when_the_code_that_makes_them_changes(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("1")
    second.write_text("2")
    before = fingerprint([first, second])
    assert fingerprint([second, first]) == before
    second.write_text("3")
    assert fingerprint([first, second]) != before


def test_what_json_has_no_word_for_becomes_none_however_deep() -> None:
    assert finite({"a": (1.5, math.nan), "b": {"c": math.inf, "d": "x"}, "e": 2}) == {
        "a": [1.5, None],
        "b": {"c": None, "d": "x"},
        "e": 2,
    }
