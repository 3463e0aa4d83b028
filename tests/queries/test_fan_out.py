"""How many rows one private row can meet is limited by the statement and by public tables alone."""

from __future__ import annotations

import pytest

from queries.errors import QueryNotPrivateError
from queries.fan_out import check_fan_out
from queries.parse import parse
from queries.plan import Axis
from queries.relations import check
from queries.schema import Schema
from tests.privacy.market import POLICY

SCHEMA = Schema(POLICY)
SELF = "SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.card_id = b.card_id"
PAIRS = SELF.replace("COUNT(*) AS n", "a.card_id, b.hour")


def admitted(sql: str, products: int) -> bool:
    """Whether the statement may run when the public table has so many rows."""

    def size_of(_: Axis) -> int:
        return products

    (node,) = check(parse(sql, {}), SCHEMA).nodes
    try:
        check_fan_out(node.relation, SCHEMA, size_of)
    except QueryNotPrivateError as error:
        return error.code != "wide-join"
    return True


@pytest.mark.parametrize(
    ("sql", "largest"),
    [
        ("SELECT COUNT(*) AS n FROM lines CROSS JOIN products", 1_000),
        ("SELECT COUNT(*) AS n FROM lines a LEFT JOIN products p ON p.department = a.note", 1_000),
        ("SELECT COUNT(*) AS n FROM lines a JOIN products p ON p.product_id > a.product_id", 1_000),
        ("SELECT COUNT(*) AS n FROM cards CROSS JOIN products", 1_000),
        ("SELECT COUNT(*) AS n FROM lines CROSS JOIN products p CROSS JOIN products q", 31),
        (f"{SELF} CROSS JOIN products", 10),
    ],
)
def test_public_tables_may_make_so_many_rows_of_one(sql: str, largest: int) -> None:
    assert admitted(sql, largest)
    assert not admitted(sql, largest + 1)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) AS n FROM lines JOIN products USING (product_id)",
        "SELECT COUNT(*) AS n FROM lines a LEFT JOIN products p ON a.product_id = p.product_id",
        "SELECT COUNT(*) AS n FROM lines a JOIN products p ON p.product_id = a.product_id + 1",
        f"{SELF} JOIN products p ON p.product_id = a.product_id JOIN products q ON q.product_id = b.product_id",
        f"{SELF} JOIN cards c ON c.card_id = a.card_id JOIN cards d ON d.card_id = a.card_id",
    ],
)
def test_a_key_or_a_table_of_one_row_a_unit_makes_none(sql: str) -> None:
    assert admitted(sql, 10**9)


@pytest.mark.parametrize(
    "sql",
    [
        f"{SELF} JOIN lines c ON c.card_id = a.card_id",
        f"SELECT COUNT(*) AS n FROM cards x LEFT JOIN ({PAIRS}) y ON x.card_id = y.card_id JOIN lines USING (card_id)",
    ],
)
def test_three_tables_of_many_rows_a_unit_are_too_many(sql: str) -> None:
    assert not admitted(sql, 1)
