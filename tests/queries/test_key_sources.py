"""The source of a key names the public fact that its values come from."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from queries.key_sources import KeySource, key_sources
from queries.plan import ThresholdKeys
from tests.queries.retailer import SCHEMA, planned, statements


def sources(keys: str, where: str = "", options: Mapping[str, object] | None = None) -> tuple[KeySource, ...]:
    tables = "lines LEFT JOIN customers USING (household_id) JOIN products ON lines.product_id = products.product_id"
    (node,) = planned(f"SELECT COUNT(*) AS n FROM {tables} {where} GROUP BY {keys}", options=options).nodes
    return key_sources(node, SCHEMA)


@pytest.mark.parametrize(
    ("key", "where", "source"),
    [
        ("department", "", "values of department in the public table products"),
        ("category, department", "", "values of category, department in the public table products"),
        ("UPPER(department)", "", "values of expressions in the public table products"),
        ("department", "WHERE price > 5", "values of department in the public table products that pass the conditions"),
        ("lines.product_id", "", "values of product_id in the public table products"),
        ("store_id", "", "values of store_id in the public table stores and NULL"),
        ("age", "", "declared domain of customers.age and NULL"),
        ("members % 2", "", "an expression over the declared domain of customers.members and NULL"),
        ("day", "", "range of lines.day, 2026-01-01 to 2026-04-30"),
        ("day", "WHERE day >= DATE '2026-02-01'", "range of lines.day, 2026-02-01 to 2026-04-30"),
        ("DATE_TRUNC('month', day)", "", "an expression over the range of lines.day, 2026-01-01 to 2026-04-30"),
        ("pieces", "", "range of lines.pieces, -5 to 20"),
        ("pieces", "WHERE pieces IN (1, 3)", "range of lines.pieces, -5 to 20 that pass the conditions"),
        ("paid_by_card", "", "true and false and NULL"),
        ("amount > 5", "", "true and false and NULL"),
        ("CASE WHEN amount > 5 THEN 'much' ELSE 'little' END", "", "values written in the statement"),
        ("note", "", "keys that pass a threshold at delta 5e-07"),
    ],
)
def test_a_key_has_its_source(key: str, where: str, source: str) -> None:
    assert [found.source for found in sources(key, where)] == [source]


def test_a_threshold_decides_about_all_keys_together() -> None:
    (found,) = sources("note, department", options={"delta": "1e-6"})
    assert (set(found.numbers), found.source) == ({0, 1}, "keys that pass a threshold at delta 1e-06")


def test_every_key_of_the_accepted_statements_has_a_source() -> None:
    kinds = set()
    for statement in statements("accepted"):
        for node in planned(statement.sql, statement.params, statement.options).nodes:
            found = key_sources(node, SCHEMA)
            assert sorted(number for each in found for number in each.numbers) == sorted(node.key_numbers)
            assert isinstance(node.aggregation.keys, ThresholdKeys) == any("threshold" in each.source for each in found)
            kinds |= {each.source.split()[0] for each in found}
    assert kinds == {"an", "declared", "keys", "range", "true", "values"}
