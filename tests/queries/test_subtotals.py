"""Subtotals are sums of one release: consistent with its groups, with the error of their noise together."""

from __future__ import annotations

import math

import duckdb
import pyarrow as pa
import pytest

from queries.errors import QueryNotPrivateError
from tests.queries.retailer import planned

GROUPED = "SELECT age, members, COUNT(*) AS n, SUM(members) AS s FROM customers GROUP BY {groups}"


def test_a_rollup_buys_its_finest_groups_and_nothing_else() -> None:
    one, other = (planned(GROUPED.format(groups=groups)) for groups in ("ROLLUP (age, members)", "age, members"))
    assert [node.aggregation.digest for node in one.nodes] == [node.aggregation.digest for node in other.nodes]
    assert one.loss == other.loss


def test_totals_are_the_sums_of_the_noised_groups_and_their_errors_add_up_in_squares() -> None:
    plan = planned(GROUPED.format(groups="ROLLUP (age, members)"))
    cells = [("old", 1, -4, 10), ("old", 2, 9, 20), ("young", 1, 5, -1)]
    released = pa.table(
        {
            "k0": [age for age, *_ in cells],
            "k1": [members for _, members, *_ in cells],
            "m0": [n for *_, n, _ in cells],
            "m1": [s for *_, s in cells],
            "s0": [3.0, 3.0, 4.0],
            "s1": [1.0, 1.0, 1.0],
            "l0": [0.0, 0.0, -2.0],
            "h0": [5.0, 1.0, 0.0],
            "l1": [0.0, 0.0, 0.0],
            "h1": [0.0, 0.0, 0.0],
            "d0": [0, 5, 5],
            "d1": [10, 20, 0],
        }
    )
    with duckdb.connect() as connection:
        connection.register("released_0", released)
        rows = connection.execute(plan.sql).fetchall()
    names = ("n", "s", *(f"{kind}{place}" for place in (2, 3) for kind in ("_se", "_lo", "_hi", "_d")))
    found = {row[:2]: dict(zip(names, row[2:], strict=True)) for row in rows}
    assert len(rows) == len(cells) + 3
    errors = {keys: (row["n"], row["s"], row["_se2"], row["_se3"]) for keys, row in found.items()}
    assert errors["old", None] == (5, 30, math.sqrt(18), math.sqrt(2))
    assert errors[None, None] == (10, 29, math.sqrt(34), math.sqrt(3))
    assert errors["young", 1] == (5, -1, 4.0, 1.0)
    total = found[None, None]
    assert (total["_lo2"], total["_hi2"], total["_d2"], total["_d3"]) == (-2.0, 6.0, 10, 30)


@pytest.mark.parametrize("groups", ["ROLLUP (age)", "CUBE (age, members)", "GROUPING SETS ((age), ())"])
def test_counts_of_customers_are_not_added_up(groups: str) -> None:
    with pytest.raises(QueryNotPrivateError) as raised:
        planned(
            f"SELECT COUNT(*) AS n, COUNT(DISTINCT household_id) AS u FROM lines JOIN customers USING (household_id) "
            f"GROUP BY {groups}"
        )
    assert raised.value.code == "subtotals-of-units"
