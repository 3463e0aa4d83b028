"""The bootstrap has every household so many times, and the second policy differs in its bounds alone."""

import duckdb
import pytest

from benchmarks.accuracy.datasets import copied, policy_text
from benchmarks.accuracy.questions import ASKED
from benchmarks.datasets import with_declared_bounds
from queries.options import options_of
from queries.planner import plan, price
from queries.policy import load_policy
from queries.schema import Schema


def test_every_household_is_there_so_many_times_under_ids_of_its_own() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE VIEW source AS SELECT * FROM (VALUES (1, 7.5), (1, 8.5), (2, 9.5)) AS t(household_id, x)"
        )
        rows = connection.execute(copied("customers", 3)).fetchall()
    by_unit: dict[int, list[float]] = {}
    for unit, x in rows:
        by_unit.setdefault(unit, []).append(float(x))
    assert sorted(map(sorted, by_unit.values())) == [[7.5, 8.5]] * 3 + [[9.5]] * 3


def test_receipts_are_copied_with_their_household_and_stay_whole_numbers() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE VIEW source AS FROM (VALUES (1, 31198717387), (2, 31198717388)) AS t(household_id, basket_id)"
        )
        connection.execute(f"CREATE TABLE found AS {copied('purchases', 20)}")
        assert connection.execute(
            "SELECT typeof(basket_id), count(DISTINCT basket_id) FROM found GROUP BY 1"
        ).fetchall() == [("BIGINT", 40)]
        assert connection.execute("SELECT count(DISTINCT household_id) FROM found").fetchall() == [(40,)]


@pytest.mark.parametrize("copies", [1, 20])
def test_the_second_policy_differs_in_its_bounds_alone(copies: int) -> None:
    text = policy_text(copies)
    declared, undeclared = load_policy(with_declared_bounds(text), "declared"), load_policy(text, "undeclared")
    assert declared.model_copy(update={"bounds": ()}) == undeclared.model_copy(update={"bounds": ()})
    assert set(undeclared.bounds) < set(declared.bounds)
    assert undeclared.max_units >= 2_469 * copies
    assert undeclared.query.max_epsilon >= 3


def test_where_none_are_declared_each_answer_chooses_its_own() -> None:
    undeclared = load_policy(policy_text(1), "undeclared")
    assert undeclared.query.keep_bounds_days == 0
    schema = Schema(undeclared)
    for asked in ASKED:
        found = plan(asked.question.sql, {}, schema, price(schema, None, None, None), options_of({}), lambda _: 1_000)
        assert all(block.free for node in found.nodes for block in node.aggregation.blocks), asked.label
