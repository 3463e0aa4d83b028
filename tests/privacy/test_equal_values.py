"""Values that the engine takes for equal cannot be told apart, so it does not matter whose comes first.

To DuckDB -0.0 equals 0.0, and every NaN every other. Of equal keys one stands for all, and of equal rows any comes
first: could anybody see which, one customer's row would be seen without noise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import duckdb
import pytest

from queries import emit
from queries.errors import IllegalPlanError
from queries.function_names import Function
from queries.plan import DOUBLE, VARCHAR, Call, Column, Literal
from queries.release import release
from tests.privacy.market import Customer, Layout, Market
from tests.privacy.statements import line

PLAIN = Customer((line(amount=0, ticket=1),))
ODD = Customer((line(amount=0, ticket=-1),))  # whose key has the other sign
OTHERS = (PLAIN,) * 60
ZERO = "CAST(amount AS DOUBLE) * ticket"
_INFINITE = f"CAST(ticket AS DOUBLE){' * 1e29' * 11}"
NOT_A_NUMBER = f"CASE WHEN ticket < 0 THEN -({_INFINITE} - {_INFINITE}) ELSE {_INFINITE} - {_INFINITE} END"
X, Y = Column(0, "x", DOUBLE), Column(0, "y", DOUBLE)


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


def _keys(market: Market, key: str, customers: tuple[Customer, ...]) -> list[bytes]:
    """The bits of the keys that are released."""
    sql = f"SELECT {key} AS k, COUNT(*) AS n FROM lines GROUP BY 1"
    (node,) = market.plan(sql, {"max_groups_contributed": 1}, 10**12).nodes
    market.fill(customers, Layout(tuple(range(len(customers)))))
    table = release(node.aggregation, node.loss, market.engine)
    return [struct.pack(">d", key) for key in table.column("k0").to_pylist()]


@pytest.mark.parametrize("key", [ZERO, NOT_A_NUMBER], ids=["zero", "no number"])
def test_a_key_is_the_same_whoever_has_it_first(market: Market, key: str) -> None:
    bits = [_keys(market, key, who) for who in (OTHERS, (ODD, *OTHERS), (*OTHERS, ODD))]
    assert bits == [bits[0]] * 3
    assert len(bits[0]) == 1


@pytest.mark.parametrize(
    "window",
    [
        "ROW_NUMBER() OVER (PARTITION BY card_id ORDER BY day) * amount",
        "LAG(amount) OVER (PARTITION BY card_id ORDER BY day) * amount",
        "FIRST_VALUE(amount) OVER (PARTITION BY card_id ORDER BY day)",
        "COUNT(*) OVER (PARTITION BY card_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) * amount",
    ],
)
def test_of_rows_that_are_equal_in_order_it_does_not_matter_which_is_stored_first(market: Market, window: str) -> None:
    sql = f"SELECT SUM(x) AS s FROM (SELECT card_id, {window} AS x FROM lines) AS t"
    (node,) = market.plan(sql, {"l2_bound": {"s": 10_000_000}}).nodes
    customers = (Customer(tuple(line(amount=amount) for amount in (100, 900, 400, 200))),) * 3
    here, there = (market.sums(node.aggregation, customers, Layout((0, 1, 2), turned)) for turned in (False, True))
    assert here.sums[0].tolist() == there.sums[0].tolist()
    assert here.sums[0].any()


def test_to_the_engine_one_of_two_equal_values_stands_for_both() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT x FROM (VALUES (CAST('-0.0' AS DOUBLE)), (0.0)) AS v(x)")
        rows = connection.execute("SELECT DISTINCT CAST(x AS VARCHAR) FROM (SELECT DISTINCT x FROM t)").fetchall()
    assert rows == [("-0.0",)]  # the first one's


@pytest.mark.parametrize(
    "call",
    [
        Call(Function.MULTIPLY, (X, Y), DOUBLE),
        Call(Function.DIVIDE, (X, Y), DOUBLE),
        Call(Function.NEGATE, (X,), DOUBLE),
        Call(Function.SUBTRACT, (X, Y), DOUBLE),
        Literal(-0.0, DOUBLE),
    ],
    ids=repr,
)
def test_no_double_is_the_other_zero(call: Call | Literal) -> None:
    values = (0.0, 1.0, -1.0, 1e-308, -1e-308, 1e308)
    rows = ", ".join(f"({x!r}, {y!r})" for x in values for y in values)
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS SELECT * FROM (VALUES {rows}) AS v(x, y)")
        connection.execute("ALTER TABLE t ALTER x TYPE DOUBLE; ALTER TABLE t ALTER y TYPE DOUBLE")
        found = connection.execute(f"SELECT {emit.sql_of(call)} FROM t AS s0").fetchall()
    assert struct.pack(">d", -0.0) not in {struct.pack(">d", x) for (x,) in found if x is not None}


@pytest.mark.parametrize("function", [Function.TO_VARCHAR, Function.CONCAT])
def test_no_text_is_made_of_a_double(function: Function) -> None:
    with pytest.raises(IllegalPlanError):
        emit.sql_of(Call(function, (X,), VARCHAR))
