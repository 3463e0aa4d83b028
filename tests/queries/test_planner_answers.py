"""Accepted statements, from text to rows: with silent noise they say what plain DuckDB says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pytest

from queries import release as releasing
from queries.engine import exact_sums
from queries.errors import IllegalPlanError, QueryNotPrivateError
from queries.mechanisms import BoundChoice, Choice, Gaussian, Threshold, Vector
from queries.plan import PublicKeys, ThresholdKeys, TopKeys
from tests.queries.retailer import WITH_BLOCKS, Retailer, Row, Statement, blocks, statements

ACCEPTED = statements("accepted")
OF_BLOCKS = tuple(statement for statement in blocks("blocks.sql") if "expect" not in statement.facts)
LEAST_STATEMENTS = 150
Key = tuple[tuple[str, object], ...]
Floats = np.typing.NDArray[np.float64]


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gaussian, "add_noise", lambda _self, exact: exact.copy())
        patch.setattr(releasing, "add_noise", lambda exact, _bounds, _rho: (exact.copy(), np.ones(len(exact))))
        patch.setattr(Choice, "among", lambda choice, scores: np.argsort(-scores, kind="stable")[: choice.count])
        patch.setattr(Threshold, "passes", _any_unit)
        patch.setattr(BoundChoice, "among", _above_all)
        yield


def _above_all(_choice: BoundChoice, norms: Vector, _wanted: int, _log_prior: Floats, _quarters: int) -> int:
    return int(np.flatnonzero(norms).max(initial=0))


def _any_unit(_threshold: Threshold, noised: Vector) -> object:
    return noised > 0


def _cell(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return 0.0 if value == 0 else float(f"{float(value):.9g}")
    return value.isoformat()[:10] if isinstance(value, date | datetime) else value


def _normal(row: Row) -> Key:
    return tuple((name, _cell(value)) for name, value in row.items())


def _empty(row: Key, measures: set[str]) -> bool:
    """Whether the row is of a public key that no row has."""
    return bool(measures) and all(value in (None, 0.0) for name, value in row if name in measures)


def _without_totals_of_nothing(row: Key, measures: set[str]) -> Key:
    """A sum over no rows is NULL in SQL and zero, before noise, here."""
    return tuple((name, 0.0 if value is None and name in measures else value) for name, value in row)


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_with_silent_noise_the_answer_is_plain_duckdbs(statement: Statement, retailer: Retailer) -> None:
    check_answer(statement, retailer)


@pytest.fixture(scope="module")
def monthly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retailer]:
    """The retailer whose privacy unit is a household in one month."""
    world = Retailer(tmp_path_factory.mktemp("blocks"), WITH_BLOCKS)
    yield world
    world.close()


@pytest.mark.parametrize("statement", [*ACCEPTED, *OF_BLOCKS], ids=lambda statement: statement.name)
def test_with_blocks_the_answer_is_the_same_or_the_statement_is_refused(
    statement: Statement, monthly: Retailer
) -> None:
    if statement in OF_BLOCKS or _is_of_one_month(statement, monthly):
        check_answer(statement, monthly)


def _is_of_one_month(statement: Statement, monthly: Retailer) -> bool:
    """Whether the statement is planned with blocks; all that may be refused of it is that it spans them."""
    try:
        return bool(monthly.plan(statement).columns)
    except QueryNotPrivateError as error:
        if error.code != "unit-spans-blocks" or not error.hint:
            raise
        return False


def test_most_statements_are_answered_with_blocks_too(monthly: Retailer) -> None:
    assert sum(_is_of_one_month(statement, monthly) for statement in ACCEPTED) > len(ACCEPTED) // 2


def check_answer(statement: Statement, retailer: Retailer) -> None:
    """Compare the answer with plain DuckDB's, row by row, public keys that no row has aside."""
    plan = retailer.plan(statement)
    measures = {c.name for c in plan.columns if c.role != "dimension"}
    ours = [_without_totals_of_nothing(_normal(row), measures) for row in retailer.answer(statement)]
    theirs = [_without_totals_of_nothing(_normal(row), measures) for row in retailer.oracle(statement)]
    missing, more = Counter(theirs) - Counter(ours), Counter(ours) - Counter(theirs)
    assert not missing, f"{missing} against {more}"
    assert all(_empty(row, measures) for row in more), more
    if "order by" in statement.sql.lower().rpartition(")")[2] and not more:
        assert ours == theirs


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_the_plan_of_a_statement_has_the_expected_shape(statement: Statement, retailer: Retailer) -> None:
    plan = retailer.plan(statement)
    if "keys" in statement.facts:
        kinds = {type(node.aggregation.keys) for node in plan.nodes}
        assert kinds == {{"public": PublicKeys, "threshold": ThresholdKeys, "top": TopKeys}[statement.facts["keys"]]}
    if "groups" in statement.facts:
        assert [node.groups for node in plan.nodes] == [int(statement.facts["groups"])]
    if "measures" in statement.facts:
        assert sum(len(node.measures) for node in plan.nodes) == int(statement.facts["measures"])
    if "nodes" in statement.facts:
        assert len(plan.nodes) == int(statement.facts["nodes"])


def test_there_are_enough_accepted_statements() -> None:
    assert len(ACCEPTED) >= LEAST_STATEMENTS


def test_numbers_are_compared_in_nine_digits() -> None:
    assert _cell(1 / 3) == _cell(Decimal("0.3333333333"))
    assert _cell(-0.0) == 0.0
    assert math.copysign(1, float(str(_cell(-0.0)))) == 1


def test_an_engine_sums_nothing_for_keys_that_were_not_chosen_yet(retailer: Retailer) -> None:
    (statement,) = (each for each in ACCEPTED if each.name == "groups: the keys with the most customers")
    (node,) = retailer.plan(statement).nodes
    with pytest.raises(IllegalPlanError):
        exact_sums(retailer.engine, node.aggregation)
    assert len(exact_sums(retailer.engine, node.aggregation.counting).sums) == 1
