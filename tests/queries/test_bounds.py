"""Which bound a measure gets when nobody stated one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from queries.errors import QueryNotPrivateError
from queries.planner import Options, PlannedMeasure, plan
from queries.policy import load_policy
from queries.schema import Schema

POLICY = """
dataset: shop
title: A shop
unit: {name: household, label: household}
max_units: 1000
max_groups_contributed: 9
budget: {epsilon: 10, delta: 1e-6, delta_for_thresholds: 5e-7}
query: {default_epsilon: 1, max_epsilon: 2}
retention: {days: 1000, column: lines.day}
tables:
  lines:
    visibility: private
    unit_column: card
    columns:
      card: {type: integer}
      product: {type: integer, references: products.product}
      day: {type: date, range: [2026-01-01, 2026-12-31]}
      amount: {type: decimal, scale: 2, range: ["0.00", "100.00"]}
      tip: {type: decimal, scale: 2, range: ["0.00", "100.00"]}
  people:
    visibility: private
    unit_column: card
    unique_per_unit: true
    columns:
      card: {type: integer}
      town: {type: string, domain: [north, south]}
      favourite: {type: integer, references: products.product}
  products:
    visibility: public
    key: product
    columns:
      product: {type: integer}
      department: {type: string}
bounds:
  - {measure: lines.amount, l2: "300.00"}
  - {measure: lines.amount, l2: "1000.00", keys: []}
  - {measure: lines.amount, l2: "70.00", keys: [lines.day]}
  - {measure: rows, l2: 50}
  - {measure: units, l2: 5, keys: [lines.day]}
"""
SCHEMA = Schema(load_policy(POLICY))
JOINED = "lines JOIN people ON lines.card = people.card"


def measure(sql: str, groups: int = 4, *, threshold: bool | None = None) -> PlannedMeasure:
    planned = plan(sql, {}, SCHEMA, 10**9, Options(threshold=threshold), lambda _: groups)
    return planned.nodes[0].measures[0]


@pytest.mark.parametrize(
    ("sql", "groups", "bound"),
    [
        ("SELECT SUM(amount) FROM lines", 1, 1000),
        ("SELECT day, SUM(amount) FROM lines GROUP BY day", 365, 70),
        ("SELECT MONTH(day), SUM(amount) FROM lines GROUP BY 1", 12, 300),
        ("SELECT MONTH(day) < 7, SUM(amount) FROM lines GROUP BY 1", 4, 500),
        ("SELECT department, SUM(amount) FROM lines JOIN products USING (product) GROUP BY 1", 100, 300),
        ("SELECT department, SUM(amount) FROM lines JOIN products USING (product) GROUP BY 1", 4, 500),
        (f"SELECT town, SUM(amount) FROM {JOINED} GROUP BY town", 2, 1000),
        (f"SELECT town = 'north', SUM(amount) FROM {JOINED} GROUP BY 1", 2, 1000),
        ("SELECT SUM(CASE WHEN tip > 1 THEN amount ELSE 0 END) FROM lines", 1, 1000),
        ("SELECT SUM(COALESCE(amount, 0)) FROM lines", 1, 1000),
        ("SELECT SUM(amount) FILTER (WHERE tip > 1) FROM lines", 1, 1000),
        ("SELECT COUNT(*) FROM lines", 1, 50),
        ("SELECT COUNT(DISTINCT card) FROM lines", 1, 1),
        ("SELECT day, COUNT(DISTINCT card) FROM lines GROUP BY day", 365, 5),
        ("SELECT MONTH(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", 12, 4),
        (f"SELECT town, COUNT(DISTINCT lines.card) FROM {JOINED} GROUP BY town", 2, 1),
        ("SELECT town, COUNT(*) FROM people GROUP BY town", 2, 1),
        ("SELECT department, COUNT(*) FROM people JOIN products ON favourite = product GROUP BY 1", 9, 1),
        (f"SELECT town, COUNT(*) FROM {JOINED} GROUP BY town", 2, 50),
    ],
)
def test_the_bound_follows_from_policy_and_statement(sql: str, groups: int, bound: int) -> None:
    assert measure(sql, groups).l2_bound == bound


def test_thresholded_keys_take_the_default_and_count_units_in_at_most_so_many_groups() -> None:
    total = measure("SELECT MONTH(day), SUM(amount) FROM lines GROUP BY 1", threshold=True)
    units = measure("SELECT MONTH(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", threshold=True)
    assert total.l2_bound == 300
    assert units.l2_bound == 3


def test_a_sum_without_any_declared_bound_is_refused() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        measure("SELECT SUM(tip) FROM lines")
    assert refused.value.code == "no-bound"


def test_a_join_that_is_not_on_the_public_key_may_multiply_rows() -> None:
    sql = "SELECT COUNT(*) FROM people JOIN products ON favourite < product"
    assert measure(sql).l2_bound == Fraction(50)
