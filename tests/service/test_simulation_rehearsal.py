"""Rehearsals agree with closed forms, see clipping as bias, and know what is true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from queries.errors import QueryNotPrivateError
from service.engines import DatasetEngine
from service.simulation.errors import SimulationError, SimulationTooLongError
from service.simulation.ground import Ground, opened, public_ground
from service.simulation.rehearsal import AtPrice, Effort, Rehearsed, plan_at, rehearse
from service.simulation.report import accuracy_of
from tests.queries.retailer import POLICY_TEXT, Retailer, Statement, statements
from tests.service.simulation_world import load, made_up, real, settings_in

BY_STORE = "SELECT store_id, COUNT(*) AS n FROM lines GROUP BY store_id"
EFFORT = Effort(40, 60.0)
# A tree's quantile lies between the values, and bounds that a statement states are no part of what is true.
TRUE = [
    each
    for each in statements("accepted")[::3]
    if "distributions" not in each.name and "contribution_bounds" not in each.sql + each.facts.get("options", "")
]
LEAST_TRUE = 25


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return made_up(tmp_path_factory.mktemp("made_up"))


@pytest.fixture(scope="module")
def engine(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatasetEngine]:
    settings = settings_in(tmp_path_factory.mktemp("settings"))
    with opened(ground, settings, 60.0) as engine:
        yield engine


@pytest.fixture(scope="module")
def own_rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, DatasetEngine]]:
    settings = settings_in(tmp_path_factory.mktemp("own") / "var")
    ground = real(settings, tmp_path_factory.mktemp("sources"))
    with opened(ground, settings, 60.0) as engine:
        yield ground, engine


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Retailer]:
    world = Retailer(tmp_path_factory.mktemp("plain"))
    yield world
    world.close()


def asked(
    ground: Ground, engine: DatasetEngine, sql: str, *epsilons: str, effort: Effort = EFFORT, **more: Any
) -> list[AtPrice]:
    statement = Rehearsed(sql, **more)
    prices = [Fraction(epsilon) for epsilon in epsilons or ("1",)]
    return rehearse({price: plan_at(statement, ground.policy, price, engine) for price in prices}, engine, effort)


def test_the_error_of_a_count_that_is_not_clipped_is_that_of_its_noise(ground: Ground, engine: DatasetEngine) -> None:
    """√Σ(error²) over 40 × 9 draws of a normal number is within 5 standard deviations (19%) of its scale."""
    for one in asked(ground, engine, BY_STORE, "0.5", "2"):
        (node,) = one.plan.nodes
        error = node.measures[0].standard_error
        assert error is not None
        expected = error.low
        found = one.draws.errors("n")
        assert sum(one.draws.counts) == 40 * 10  # nine stores, and none
        assert found.rmse == pytest.approx(expected, rel=0.19)
        assert found.coverage == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / 400))
        assert found.clipping_share < 0.1


def test_errors_fall_as_the_price_rises(ground: Ground, engine: DatasetEngine) -> None:
    found = [one.draws.errors("n") for one in asked(ground, engine, BY_STORE, "0.1", "1", "10")]
    assert found[0].rmse > 3 * found[1].rmse > 9 * found[2].rmse
    assert found[0].relative_median > found[1].relative_median > found[2].relative_median


def test_clipping_is_seen_as_bias(ground: Ground, engine: DatasetEngine) -> None:
    (tight,) = asked(ground, engine, BY_STORE, "10", options={"l2_bound": {"n": Fraction(5)}})
    found = tight.draws.errors("n")
    assert found.clipping_share > 0.95
    assert found.coverage > 0.9  # the intervals make room for what was clipped
    assert found.narrow == (0.0, 0.0)
    assert found.relative_median > 0.5
    column = tight.draws.column("n")
    assert (column.estimates < column.true / 2).all()


def seen(value: object) -> object:
    """A plain cell as an answer shows it."""
    if isinstance(value, date):
        return value.isoformat()[:10]
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("statement", TRUE, ids=lambda statement: statement.name)
def test_the_truth_is_what_plain_duckdb_says(
    statement: Statement, own_rows: tuple[Ground, DatasetEngine], retailer: Retailer
) -> None:
    given: dict[str, Any] = {"params": statement.params, "options": statement.options}
    try:
        (one,) = asked(*own_rows, statement.sql, effort=Effort(1, 60.0), **given)
    except SimulationError as error:
        assert "told apart" in str(error)  # noqa: PT017  # of statements that do not show their keys
        return
    shown, truth = one.draws.shown, one.draws.truth
    plain = {tuple(seen(row[name]) for name in shown.dimensions): row for row in retailer.oracle(statement)}
    pairs = [(truth[key][name], row[name]) for key, row in plain.items() if key in truth for name in shown.estimates]
    known = [(float(str(ours)), float(str(theirs))) for ours, theirs in pairs if None not in {ours, theirs}]
    assert known or not shown.estimates
    assert [ours for ours, _ in known] == pytest.approx([theirs for _, theirs in known], rel=1e-9, abs=1e-9)


def test_many_true_statements_are_tried() -> None:
    assert len(TRUE) >= LEAST_TRUE


def test_a_threshold_lets_some_keys_pass_and_their_truth_is_known(ground: Ground, engine: DatasetEngine) -> None:
    sql = "SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id"
    options = {"max_groups_contributed": 5, "group_selection_strategy": "THRESHOLD"}
    (one,) = asked(ground, engine, sql, "5", options=options)
    assert one.rows == 50
    assert 1 <= one.draws.mean_rows < 40
    assert one.draws.matched == 1.0
    (price,) = accuracy_of(ground, [one], Fraction(1, 10)).prices
    assert price.released_share == pytest.approx(one.draws.mean_rows / one.rows)
    assert Fraction(price.delta) > 0


def test_of_the_first_rows_of_an_answer_all_have_a_true_value(ground: Ground, engine: DatasetEngine) -> None:
    """Noise decides which come first: the truth is known of all groups."""
    sql = "SELECT product_id, COUNT(*) AS n FROM lines GROUP BY product_id ORDER BY n DESC LIMIT 3"
    (one,) = asked(ground, engine, sql, "0.1")
    assert (one.rows, one.draws.mean_rows, one.draws.matched) == (3, 3, 1.0)
    assert len(set(one.draws.column("n").group.tolist())) > 3


def test_chosen_keys_have_their_own_true_values(ground: Ground, engine: DatasetEngine) -> None:
    sql = "SELECT product_id, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY product_id ORDER BY n DESC LIMIT 3"
    (one,) = asked(ground, engine, sql, "0.1", options={"l2_bound": {"n": Fraction(20)}})
    assert type(one.plan.nodes[0].aggregation.keys).__name__ == "TopKeys"
    assert one.draws.matched == 1.0
    assert len(one.draws.truth) == 50


def test_quantiles_and_different_values_are_rehearsed(ground: Ground, engine: DatasetEngine) -> None:
    sql = "SELECT store_id, MEDIAN(pieces) AS m, COUNT(DISTINCT product_id) AS p FROM lines GROUP BY store_id"
    (one,) = asked(ground, engine, sql, "50", options={"l2_bound": {"p": Fraction(40)}})
    assert one.draws.errors("m").relative_median < 0.3
    assert one.draws.errors("p").relative_median < 0.3
    assert {len(node.measures) for node in one.plan.nodes} == {1}


def test_what_is_drawn_when_time_is_over_counts(ground: Ground, engine: DatasetEngine) -> None:
    found = asked(ground, engine, BY_STORE, "1", "2", effort=Effort(100_000, 1.0))
    assert all(2 <= len(one.draws.counts) < 100_000 for one in found)
    assert abs(len(found[0].draws.counts) - len(found[1].draws.counts)) <= 1
    with pytest.raises(SimulationTooLongError):
        asked(ground, engine, BY_STORE, effort=Effort(1, 0.0))


def test_rows_that_cannot_be_told_apart_are_refused(ground: Ground, engine: DatasetEngine) -> None:
    with pytest.raises(SimulationError, match="told apart"):
        asked(ground, engine, "SELECT COUNT(*) AS n FROM lines GROUP BY store_id")


def test_a_price_above_what_one_query_may_take_can_be_tried(ground: Ground, engine: DatasetEngine) -> None:
    (one,) = asked(ground, engine, BY_STORE, "1000", effort=Effort(2, 60.0), options={"l2_bound": {"n": Fraction(400)}})
    assert ground.policy.query.max_epsilon < 1000
    assert one.draws.errors("n").relative_median < 0.05


def test_a_purpose_that_the_policy_does_not_name_is_refused(ground: Ground, engine: DatasetEngine) -> None:
    with pytest.raises(QueryNotPrivateError):
        asked(ground, engine, BY_STORE, purpose="curiosity")


def test_only_rows_that_are_declared_public_are_simulated_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    snapshot = load(settings, tmp_path / "rows", POLICY_TEXT)
    with pytest.raises(SimulationError, match="private"):
        public_ground(snapshot, None)  # type: ignore[arg-type]  # not even the keys are looked at
