"""The tour ends with 0 only if everything that it shows is so."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from rich.console import Console

from service.client import Client, Result
from service.client_errors import QueryNotPrivateError
from service.tour import __main__ as program
from service.tour import instance, steps, truth
from service.tour.chart import LEGEND, WIDTH, Bar, chart, drawing
from service.tour.errors import TourError, require
from tests.architecture.source_tree import ROOT


def _console() -> Console:
    return Console(file=io.StringIO(), width=80)


def _text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class ExactService:
    """A client of a service that forgot the noise; it charges and refuses as it should."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def budget(self, _account: str) -> list[dict[str, Any]]:
        amount = {"epsilon": str(len(self.asked)), "rho": str(len(self.asked))}
        return [{"spent": amount, "cap": {"epsilon": "8", "rho": "8"}, "remaining": amount}]

    def query(self, sql: str, **_: object) -> Result:
        if "household_id =" in sql:
            raise QueryNotPrivateError({"type": "/problems/query-not-private", "code": "unit-in-expression"})
        self.asked.append(sql)
        total, rest = truth.spend_with_and_without(truth.target())
        spend = rest if "NOT" in sql else total
        row = {"department": "GROCERY", "spend": spend, "spend_standard_error": 1.0, "share": 1.0}
        return Result({"id": "q_2", "cost": {"epsilon": "1", "rho": "0.02", "reused_from": None}, "rows": [row]})


def _tour() -> steps.Tour:
    service = cast(Client, ExactService())
    return steps.Tour(_console(), service, service, service)


def test_the_tour_runs_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.tour"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "100", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for shown in (
        "1. A quote",
        "epsilon 0: taken from q_",
        "unsupported-aggregate",
        "961.49",
        "403 budget-exhausted",
        "403 four-eyes",
    ):
        assert shown in done.stdout
    assert "403 four-eyes" in done.stdout
    assert "the ledger holds" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_exact_answers_would_end_the_tour() -> None:
    with pytest.raises(TourError, match="tells the purchase from nothing"):
        steps.attack(_tour())


def test_a_charged_repeat_would_end_the_tour() -> None:
    first = Result({"id": "q_1", "cost": {}, "rows": []})
    with pytest.raises(TourError, match="not answered from the first answer"):
        steps.repeat(_tour(), first)


def test_an_answered_extreme_would_end_the_tour() -> None:
    with pytest.raises(TourError, match="This was answered: SELECT MAX"):
        steps.refusal(_tour())


def test_figures_far_from_the_truth_would_end_the_tour() -> None:
    with pytest.raises(TourError, match="The spend of GROCERY is off"):
        steps.answer(_tour_with_intervals())


def _tour_with_intervals() -> steps.Tour:
    class Wrong(ExactService):
        def query(self, sql: str, **_: object) -> Result:
            row = {"department": "GROCERY", "spend": 1.0, "spend_lower": 0.0, "spend_upper": 2.0}
            row |= {"spend_standard_error": 1.0}
            return Result({"id": "q_1", "cost": {"epsilon": "1"}, "rows": [row]})

    service = cast(Client, Wrong())
    return steps.Tour(_console(), service, service, service)


@pytest.mark.parametrize(("error", "code"), [(TourError("noise is missing"), 1), (KeyboardInterrupt(), 130)])
def test_what_goes_wrong_shows_in_the_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_: Console) -> NoReturn:
        raise error

    monkeypatch.setattr(program, "temporary_instance", failing)
    assert program.main() == code
    assert "Everything came out" not in capsys.readouterr().out


def test_a_service_that_does_not_start_ends_the_tour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "_KVITTO", (sys.executable, "-c", "import sys; sys.exit('no room')"))
    with (
        pytest.raises(TourError, match="did not start: no room"),
        instance.temporary_instance(_console()),
    ):
        pass


def test_the_tour_s_service_has_no_setting_of_the_callers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KVITTO_LEDGER_URL", "sqlite:///precious.db")
    own = {name for name in instance._environment(tmp_path) if name.startswith("KVITTO_")}
    assert own == {"KVITTO_DATA_DIR", "KVITTO_PORT", "KVITTO_LOG_LEVEL"}


def test_the_exact_figures_are_those_of_the_public_files() -> None:
    visit = truth.target()
    total, rest = truth.spend_with_and_without(visit)
    assert (round(total, 2), round(visit.spend, 2), visit.lines) == (4_596_039.58, 961.49, 38)
    assert total - rest == pytest.approx(visit.spend, abs=0.005)
    in_catalogue = sum(truth.spend_by_department().values())
    assert 0 <= total - in_catalogue < 200  # a few lines are of products that the catalogue lacks


def test_a_bar_shows_value_interval_and_truth_on_one_scale() -> None:
    assert drawing(Bar("", 50, 25, 75, 60), 100) == "████████▒▒▒▒▒▒▒▒───◆────        "


@pytest.mark.parametrize("bar", [Bar("", -5, -10, 3, 1), Bar("", 100, 90, 110, 110), Bar("", 0, 0, 0, 0)])
def test_a_bar_stays_in_its_column(bar: Bar) -> None:
    assert len(drawing(bar, 110)) == WIDTH


def test_the_chart_fits_a_terminal_of_80_columns() -> None:
    console = _console()
    console.print(LEGEND, chart([Bar("MISCELLANEOUS", 2_245_085, 2_209_212, 2_280_958, 2_316_394)]))
    lines = _text(console).splitlines()
    assert len(lines) == 3
    assert "2,316,394" in lines[2]


def test_a_requirement_that_does_not_hold_names_itself() -> None:
    require(bool("noise"), "fine")
    with pytest.raises(TourError, match="not fine"):
        require(bool(""), "not fine")
