"""A dataset with blocks through the service: what is quoted, charged and told of months."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from budgets.privacy_loss import rho_of_epsilon
from queries.errors import QueryNotPrivateError
from tests.queries.retailer import WITH_BLOCKS, Retailer
from tests.service.test_answering import ANALYST, POLICY, World, document, problems_of_export

BLOCKS = WITH_BLOCKS.splitlines()[-1]
FEBRUARY = "SELECT COUNT(*) AS n FROM lines WHERE DATE_TRUNC('month', day) = DATE '2026-02-01'"
TWO_MONTHS = (
    "SELECT age, SUM(amount) AS s FROM lines JOIN customers USING (household_id) "
    "WHERE day < DATE '2026-03-01' GROUP BY age"
)
NANO = 10**9


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sources = Retailer(tmp_path_factory.mktemp("sources"))
    paths = {table: str(path) for table, path in sources.paths.items()}
    sources.close()
    opened = World(tmp_path_factory.mktemp("blocks"), paths, f"{POLICY}{BLOCKS}\n")
    yield opened
    opened.answering.close()
    opened.ledger.close()


def _nano(loss: dict[str, Any]) -> int:
    return int(Fraction(loss["rho"]) * NANO)


def test_a_question_about_one_month_costs_the_same_of_the_month_and_of_a_lifetime(world: World) -> None:
    before, answer = world.spent(), document(world.answer(FEBRUARY))
    charges = answer["receipt"]["charges"]
    assert charges.keys() == {"lifetime", "block:2026-02"}
    assert charges["lifetime"] == charges["block:2026-02"]
    assert world.spent() - before == _nano(charges["lifetime"]) == _nano(answer["cost"])
    assert answer["receipt"]["releases"][0]["months"] == ["2026-02"]


def test_accounts_pay_what_a_customer_of_all_months_loses(world: World) -> None:
    before, answer = world.spent(), document(world.answer(TWO_MONTHS))
    charges, conversion = answer["receipt"]["charges"], Fraction(5, 10**5)
    assert charges.keys() == {"lifetime", "block:2026-01", "block:2026-02", "static"}
    price = _nano(charges["block:2026-01"])
    assert price <= int(rho_of_epsilon(Fraction(1, 100), conversion) * NANO)
    assert [_nano(charges[name]) for name in ("block:2026-02", "static", "lifetime")] == [price, 4 * price, 4 * price]
    assert world.spent() - before == 4 * price
    (release,) = answer["receipt"]["releases"]
    assert int(Fraction(release["rho"]) * NANO) == price  # what noise is made for


def test_a_repeat_takes_nothing_of_any_meter(world: World) -> None:
    document(world.answer(FEBRUARY))
    before, again = world.spent(), document(world.answer(FEBRUARY))
    assert again["receipt"]["charges"] == {}
    assert world.spent() == before


def test_a_quote_tells_the_months_and_the_lifetime_figure_beforehand(world: World) -> None:
    sql = TWO_MONTHS.replace("SUM(amount)", "COUNT(*)")
    quote = world.answering.quote(ANALYST, world.request(sql)).model_dump()
    answer = document(world.answer(sql))
    assert quote["charges"] == answer["receipt"]["charges"]
    assert quote["releases"][0]["months"] == ["2026-01", "2026-02"]
    assert quote["cost"]["rho"] == quote["charges"]["lifetime"]["rho"]


def test_the_guarantee_says_of_whom_it_is(world: World) -> None:
    guarantee = document(world.answer(FEBRUARY))["guarantee"]
    assert guarantee["unit"] == "household"
    assert "all months" in guarantee["meters"]
    assert "block:YYYY-MM" in guarantee["meters"]


def test_a_stranger_verifies_what_each_meter_was_charged(world: World, tmp_path: Path) -> None:
    charges = document(world.answer(TWO_MONTHS.replace("age", "members"), reuse="never"))["receipt"]["charges"]
    assert charges["static"] != charges["block:2026-01"]
    assert problems_of_export(world, tmp_path) == []


def test_a_refusal_costs_nothing(world: World) -> None:
    before = world.spent()
    with pytest.raises(QueryNotPrivateError):
        world.answer("SELECT COUNT(DISTINCT household_id) AS n FROM lines")
    assert world.spent() == before
