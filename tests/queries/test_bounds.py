"""Which bound a measure gets when nobody stated one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from queries.drafts import CHOSEN
from queries.options import Options, options_of, without_bounds
from queries.plan import Aggregation
from queries.planned import PlannedMeasure
from queries.planner import plan
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


def release_of(sql: str, groups: int = 4, *, threshold: bool | None = None) -> Aggregation:
    planned = plan(sql, {}, SCHEMA, 10**9, Options(threshold=threshold), lambda _: groups)
    return planned.nodes[0].aggregation


def start(sql: str, groups: int = 4, *, threshold: bool | None = None) -> Fraction:
    """The bound in the measure's own units, whether it holds or is where a choice starts from."""
    first = release_of(sql, groups, threshold=threshold).measures[0]
    return Fraction(first.l2_bound, 10**first.scale)


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
        ("SELECT department, COUNT(DISTINCT card) FROM people JOIN products ON favourite = product GROUP BY 1", 9, 1),
        (f"SELECT town, COUNT(*) FROM {JOINED} GROUP BY town", 2, 50),
        ("SELECT SUM(tip) FROM lines", 1, 50 * 100),
        ("SELECT SUM(tip) FROM lines WHERE tip BETWEEN 1 AND 4", 1, 50 * 4),
        ("SELECT SUM(amount) FILTER (WHERE amount <= 4) FROM lines", 1, 50 * 4),
        ("SELECT SUM(CASE WHEN amount > 4 THEN 4 ELSE amount END) FROM lines", 1, 50 * 4),
        ("SELECT SUM(LEAST(amount, 4)) FROM lines", 1, 50 * 4),
        ("SELECT SUM(LEAST(amount, 90)) FROM lines", 1, 1000),
        ("SELECT SUM(LEAST(90, amount, tip)) FROM lines", 1, 1000),
        ("SELECT SUM(GREATEST(amount, 0)) FROM lines", 1, 1000),
        ("SELECT SUM(GREATEST(amount, 20)) FROM lines", 1, 1000 + 50 * 20),
        ("SELECT SUM(amount * tip) FROM lines", 1, 1000 * 100),
        ("SELECT SUM(tip * amount) FROM lines", 1, 1000 * 100),
        ("SELECT day, SUM(amount * 2) FROM lines GROUP BY day", 365, 70 * 2),
        ("SELECT SUM(CASE WHEN tip < 3 THEN amount * tip ELSE 0 END) FROM lines", 1, 1000 * Fraction("2.99")),
        ("SELECT SUM(ROUND(amount / 4, 2)) FROM lines", 1, 250),
        ("SELECT SUM(ROUND(amount / (tip + 2), 2)) FROM lines", 1, 500),
        ("SELECT SUM(CAST(amount AS INTEGER) // 10) FROM lines", 1, 100),
        ("SELECT SUM(amount % 3) FROM lines", 1, 50 * Fraction("2.99")),
        ("SELECT SUM(-ABS(amount)) FROM lines", 1, 1000),
        ("SELECT SUM(amount - 3) FROM lines", 1, 1000 + 50 * 3),
        ("SELECT SUM(CASE WHEN tip > 1 THEN amount WHEN tip > 0 THEN 3 ELSE amount END) FROM lines", 1, 1000 + 50 * 3),
        ("SELECT SUM(COALESCE(amount, 3)) FROM lines", 1, 1000),
        ("SELECT SUM(NULLIF(amount, 3)) FROM lines", 1, 1000),
        ("SELECT SUM(LENGTH(town)) FROM people", 1, 5),
        ("SELECT SUM(MONTH(day)) FROM lines", 1, 50 * 12),
        ("SELECT SUM(amount * 0) FROM lines", 1, Fraction("0.01")),
        ("SELECT SUM(s) FROM (SELECT card, SUM(amount) AS s FROM lines GROUP BY card) t", 1, 1000),
        ("SELECT SUM(s) FROM (SELECT card, SUM(amount - 3) AS s FROM lines GROUP BY card) t", 1, 1000 + 50 * 3),
        ("SELECT SUM(n) FROM (SELECT card, COUNT(*) AS n FROM lines GROUP BY card) t", 1, 50),
        ("SELECT SUM(m) FROM (SELECT card, MAX(amount) AS m FROM lines GROUP BY card) t", 1, 100),
        ("SELECT SUM(m) FROM (SELECT card, day, MAX(amount) AS m FROM lines GROUP BY 1, 2) t", 1, 1000),
        (
            "SELECT SUM(x) FROM (SELECT card, SUM(tip) FILTER (WHERE tip < 1) AS x FROM lines GROUP BY 1) t",
            1,
            Fraction("49.5"),
        ),
    ],
)
def test_the_bound_follows_from_policy_and_statement(sql: str, groups: int, bound: int | Fraction) -> None:
    """Or where a choice starts from."""
    assert start(sql, groups) == bound


GUESSED = (
    ("SELECT WEEK(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", 65),
    ("SELECT SUM(tip) FROM lines", 1),
    ("SELECT SUM(amount * tip) FROM lines", 1),
    ("SELECT SUM(amount % 3) FROM lines", 1),
    ("SELECT SUM(product) FROM lines", 1),
)
DECLARED = (
    ("SELECT day, SUM(amount * 2) FROM lines GROUP BY day", 365),
    ("SELECT SUM(amount - 3) FROM lines", 1),
    ("SELECT SUM(ROUND(amount / 4, 2)) FROM lines", 1),
    ("SELECT SUM(LENGTH(town)) FROM people", 1),  # one row a unit, so no unit is above it
    ("SELECT MONTH(day) < 7, COUNT(DISTINCT card) FROM lines GROUP BY 1", 2),
    ("SELECT MONTH(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", 12),
    ("SELECT WEEK(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", 64),
)


@pytest.mark.parametrize(("sql", "groups"), GUESSED)
def test_what_only_a_limit_tells_is_where_a_choice_starts(sql: str, groups: int) -> None:
    (block,) = release_of(sql, groups).blocks
    assert block.tuning is not None
    assert measure(sql, groups).source == CHOSEN


@pytest.mark.parametrize(("sql", "groups"), DECLARED)
def test_what_the_policy_declares_is_not_chosen(sql: str, groups: int) -> None:
    (block,) = release_of(sql, groups).blocks
    assert block.tuning is None
    assert measure(sql, groups).l2_bound == start(sql, groups)


BARE = Schema(load_policy(POLICY.partition("bounds:\n")[0]))
FREED = [
    ("SELECT SUM(amount) AS s FROM lines", {"s": "auto"}),
    ("SELECT SUM(amount) AS s FROM lines", "auto"),
    ("SELECT SUM(amount, l2_bound => AUTO) AS s FROM lines", {}),
    ("SELECT day, SUM(amount * 2) AS s, AVG(amount) AS m FROM lines GROUP BY day", "auto"),
    ("SELECT SUM(amount) / COUNT(DISTINCT card) AS r FROM lines", {"r": "auto"}),
    ("SELECT day, COUNT(DISTINCT card) AS u FROM lines GROUP BY day", "auto"),
    ("SELECT COUNT(*) AS n FROM people", "auto"),  # one row a unit is no matter of choice
]


def aggregations(sql: str, schema: Schema, options: Options) -> list[Aggregation]:
    return [node.aggregation for node in plan(sql, {}, schema, 10**9, options, lambda _: 100).nodes]


@pytest.mark.parametrize(("sql", "bound"), FREED)
def test_an_automatic_bound_is_that_of_a_policy_without_bounds(sql: str, bound: object) -> None:
    free = aggregations(sql.replace(", l2_bound => AUTO", ""), BARE, Options())
    assert aggregations(sql, SCHEMA, options_of({"l2_bound": bound})) == free
    if "people" not in sql:
        assert aggregations(sql.replace(", l2_bound => AUTO", ""), SCHEMA, Options()) != free
        assert any(block.tuning for aggregation in free for block in aggregation.blocks)


def test_other_columns_keep_their_bounds_beside_an_automatic_one() -> None:
    sql = "SELECT SUM(amount) AS s, COUNT(*) AS n FROM lines"
    (found,) = aggregations(sql, SCHEMA, options_of({"l2_bound": {"s": "auto"}}))
    assert {block.measures[0].kind.value: block.free for block in found.blocks} == {"rows": False, "sum": True}
    (found,) = aggregations(sql, SCHEMA, options_of({"l2_bound": {"s": "auto", "n": 7}}))
    assert {block.measures[0].l2_bound for block in found.blocks if not block.free} == {7}


def test_a_bound_that_an_aggregate_states_is_kept_where_those_of_the_policy_are_not() -> None:
    sql = "SELECT SUM(amount, l2_bound => 3) AS s FROM lines"
    assert aggregations(sql, SCHEMA, options_of({"l2_bound": "auto"})) == aggregations(sql, SCHEMA, Options())


@pytest.mark.parametrize(
    "stated",
    [
        {"l2_bound": {"s": 3, "n": 4}},
        {"contribution_bounds_per_group": {"s": [0, 3], "n": [0, 4]}, "max_groups_contributed": 2},
        {"l2_bound": {"s": "auto"}},
    ],
)
def test_without_any_bounds_a_question_is_the_same_whatever_was_stated(stated: dict[str, object]) -> None:
    sql = "SELECT day, SUM(amount) AS s, COUNT(*) AS n FROM lines GROUP BY day"
    bounded = "SELECT day, SUM(amount, l2_bound => 3) AS s, COUNT(*, l2_bound => 4) AS n FROM lines GROUP BY day"
    free = aggregations(sql, BARE, Options())
    assert aggregations(sql, SCHEMA, without_bounds(options_of(stated))) == free
    assert aggregations(bounded, SCHEMA, without_bounds(options_of(stated))) == free


def test_thresholded_keys_take_the_default_and_count_units_in_at_most_so_many_groups() -> None:
    total = measure("SELECT MONTH(day), SUM(amount) FROM lines GROUP BY 1", threshold=True)
    units = measure("SELECT MONTH(day), COUNT(DISTINCT card) FROM lines GROUP BY 1", threshold=True)
    assert total.l2_bound == 300
    assert units.l2_bound == 3


@pytest.mark.parametrize("value", ["product", "amount - product", "CASE WHEN tip > 1 THEN tip ELSE product END"])
def test_without_anything_declared_a_choice_starts_from_one(value: str) -> None:
    assert start(f"SELECT SUM({value}) FROM lines") == 1


def test_a_join_that_is_not_on_the_public_key_may_multiply_rows() -> None:
    sql = "SELECT COUNT(*) FROM people JOIN products ON favourite < product"
    assert measure(sql).l2_bound == Fraction(50)


@pytest.mark.parametrize(
    ("sql", "groups", "source"),
    [
        ("SELECT SUM(amount) FROM lines", 1, "policy: lines.amount in total"),
        ("SELECT day, SUM(amount) FROM lines GROUP BY day", 365, "policy: lines.amount by lines.day"),
        ("SELECT MONTH(day), SUM(amount) FROM lines GROUP BY 1", 12, "policy: lines.amount"),
        (
            "SELECT MONTH(day) < 7, SUM(amount) FROM lines GROUP BY 1",
            4,
            "policy: lines.amount in total, spread over 4 groups",
        ),
        ("SELECT COUNT(*) FROM people", 1, "one row a unit"),
        ("SELECT day, COUNT(DISTINCT card) FROM lines GROUP BY day", 365, "policy: units by lines.day"),
        ("SELECT MONTH(day) < 7, COUNT(DISTINCT card) FROM lines GROUP BY 1", 2, "a unit in 2 groups"),
        ("SELECT COUNT(DISTINCT card) FROM lines", 1, "a unit in one group"),
        ("SELECT SUM(tip) FROM lines", 1, CHOSEN),
        ("SELECT SUM(amount * 7) FROM lines", 1, "7 × policy: lines.amount in total"),
        ("SELECT SUM(ROUND(amount / 4, 2)) FROM lines", 1, "0.25 × policy: lines.amount in total"),
        ("SELECT SUM(amount - 3) FROM lines", 1, "policy: lines.amount in total + 3 × policy: rows"),
    ],
)
def test_a_bound_names_what_it_was_made_of(sql: str, groups: int, source: str) -> None:
    assert measure(sql, groups).source == source


def test_a_bound_that_the_caller_gives_is_called_stated() -> None:
    for options in (Options(l2_bounds={"s": Fraction(7)}), Options(bounds_per_group={"s": (Fraction(0), Fraction(7))})):
        (node,) = plan("SELECT SUM(tip) AS s FROM lines", {}, SCHEMA, 10**9, options, lambda _: 1).nodes
        assert [measure.source for measure in node.measures] == ["stated"]


def test_long_sums_have_a_source_that_can_be_read() -> None:
    terms = " + ".join(f"amount * {n}" for n in range(1, 60))
    assert len(measure(f"SELECT SUM({terms}) FROM lines").source) <= 201


def test_a_bound_that_no_sum_has_room_for_is_none() -> None:
    sql = "SELECT SUM(LEAST(ABS(product), 2000000000)) AS s FROM lines"
    assert start(sql) == 50 * 2 * 10**9
    crowded = Schema(load_policy(POLICY.replace("max_units: 1000", "max_units: 2000")))
    (node,) = plan(sql, {}, crowded, 10**9, Options(), lambda _: 1).nodes
    assert node.aggregation.measures[0].l2_bound == 2 * 10**9  # the largest value of a row
