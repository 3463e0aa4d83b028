"""The tables say what was measured, and refusals where there is nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.accuracy import chart, report
from benchmarks.accuracy.measuring import Measured, Outcome
from benchmarks.accuracy.questions import ASKED
from benchmarks.accuracy.rivals import LARGEST, RANDOM, Rival
from benchmarks.accuracy.scoring import Covered, Score
from benchmarks.figures import Spread

REFUSED = Outcome(None, "no-bound", "", {}, None)


def answered(rmse: float, relative: float) -> Outcome:
    spread = Spread(relative, relative / 2, relative * 2)
    found = Score(
        answers=3,
        groups=4,
        released=Spread(4.0, 3.0, 5.0),
        rmse=rmse,
        rmse_by_answer=Spread(rmse, rmse - 1, rmse + 1),
        relative=relative,
        relative_by_answer=spread,
        coverage=0.914,
        coverage_by_answer=Spread(0.91, 0.85, 0.97),
        coverage_by_size=(Covered("the smallest quarter", 3, 1.0), Covered("the largest quarter", 3, 0.25)),
    )
    return Outcome(found, None, "0.02", {"rows": Spread(15.0, 12.0, 20.0)}, Spread(0.1, 0.1, 0.2))


def measured(name: str, declared: Outcome, undeclared: Outcome) -> Measured:
    asked = next(each for each in ASKED if each.name == name)
    rivals = (Rival(RANDOM, (17.0, 2544.0), 3000.0, 0.8, 12.0), Rival(LARGEST, (6.0, 3078.0), 2000.0, 0.6, 33.0))
    return Measured(asked, "x1", "1", 0.0239, declared, undeclared, rivals)


def row(table: str, number: int = 2) -> list[str]:
    return [cell.strip() for cell in table.splitlines()[number].strip("|").split("|")]


def test_the_headline_is_the_error_of_the_best_random_groups_over_ours() -> None:
    cells = row(report.error_table([measured("Q1", answered(1500.0, 0.5), REFUSED)]))
    assert cells[2] == "1,500 (1,499–1,501)"
    assert cells[3] == "refused: `no-bound`"
    assert cells[-2:] == ["**2.00**", ""]


def test_means_are_compared_by_their_relative_error() -> None:
    one = measured("Q5", answered(1500.0, 0.4), REFUSED)
    assert one.gain(one.declared, RANDOM) == pytest.approx(2.0)
    cells = row(report.error_table([one]))
    assert cells[0].endswith("†")
    assert cells[2] == "0.400 (0.200–0.800)"


def test_relative_errors_are_of_figures_and_of_what_is_shown() -> None:
    found = answered(1.0, 0.5)
    table = report.relative_table([measured("Q5", REFUSED, replace(found, shown=answered(1.0, 0.2).score))])
    assert row(table)[2:6] == ["refused: `no-bound`", "0.500 (0.250–1.000)", "0.200 (0.100–0.400)", "0.800"]


def test_coverage_is_shown_by_size_and_refusals_in_its_place() -> None:
    table = report.coverage_table([measured("Q1", answered(1.0, 0.5), REFUSED)])
    assert row(table)[3:] == ["**0.914** (0.85–0.97)", "", "1.00", "", "", "0.25"]
    assert row(table, 3)[3] == "refused: `no-bound`"


def test_bounds_are_those_of_the_receipts_with_their_spread() -> None:
    cells = row(report.bounds_table([measured("Q1", answered(1.0, 0.5), REFUSED)]))
    assert cells[3:6] == ["rows 15 (12–20)", "refused: `no-bound`", "17 × 2,544"]


def test_keys_are_told_of_questions_that_choose_them() -> None:
    table = report.keys_table([measured("Q1", REFUSED, REFUSED), measured("Q4", answered(1.0, 0.5), REFUSED)])
    assert len(table.splitlines()) == 3
    assert row(table)[2:] == ["4 (3–5)", "refused: `no-bound`", "12", "33"]


def test_a_page_of_refusals_alone_is_a_page() -> None:
    page = report.document([measured(name, REFUSED, REFUSED) for name in ("Q1", "Q4", "Q6")], "Today.")
    assert "refused: `no-bound`" in page
    assert "not measured here" in page


def test_only_what_is_answered_is_drawn(tmp_path: Path) -> None:
    found = [measured("Q1", answered(1500.0, 0.5), REFUSED), measured("Q5", REFUSED, answered(1.0, 0.4))]
    assert [(one["question"], one["gain"]) for one in chart.rows_of(found)] == [
        ("Q1 lines by department", pytest.approx(2.0)),
        ("Q5 mean amount by store †", pytest.approx(2.0)),
    ]
    chart.draw(found, tmp_path / "accuracy.svg")
    assert "<svg" in (tmp_path / "accuracy.svg").read_text(encoding="utf-8")
