"""Which months a statement reads, and what it may say of accounts, where the privacy unit is of one month."""

from __future__ import annotations

import re
from datetime import date

import pytest

from queries.bounds import has_one_group
from queries.errors import QueryNotPrivateError
from queries.plan import Dated
from queries.planned import QueryPlan
from queries.policy import load_policy
from queries.schema import Schema
from tests.queries.retailer import WITH_BLOCKS, Statement, blocks, planned

SCHEMA = Schema(load_policy(WITH_BLOCKS))
STATEMENTS = blocks("blocks.sql")
ANSWERED = [statement for statement in STATEMENTS if "expect" not in statement.facts]
REFUSED = [statement for statement in STATEMENTS if "expect" in statement.facts]


def _plan(sql: str) -> QueryPlan:
    return planned(sql, schema=SCHEMA)


@pytest.mark.parametrize("statement", ANSWERED, ids=lambda statement: statement.name)
def test_a_statement_is_charged_to_the_months_that_it_may_touch(statement: Statement) -> None:
    plan = _plan(statement.sql)
    touched = sorted({meter for meter in plan.charges if meter.startswith("block:")})
    assert touched == [f"block:{month}" for month in statement.facts["months"].split() if month != "none"]


@pytest.mark.parametrize("statement", ANSWERED, ids=lambda statement: statement.name)
def test_rows_without_a_month_are_charged_by_the_months_that_go_with_them(statement: Statement) -> None:
    (steps,) = {node.touched.static_steps for node in _plan(statement.sql).nodes}
    assert steps == int(statement.facts.get("static", 0))


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement.name)
def test_what_speaks_of_accounts_over_several_months_is_refused(statement: Statement) -> None:
    with pytest.raises(QueryNotPrivateError) as raised:
        _plan(statement.sql)
    error = raised.value
    said = f"{error.code} {error.line}:{error.column}{' hint' if error.hint else ''}"
    assert said == statement.facts["expect"]
    assert error.rewrite == statement.facts.get("rewrite")
    assert planned(statement.sql).nodes  # without blocks it is answered


@pytest.mark.parametrize("statement", [each for each in REFUSED if "instead" in each.facts], ids=lambda each: each.name)
def test_what_a_refusal_says_instead_is_planned(statement: Statement) -> None:
    assert _plan(statement.facts["instead"]).nodes


def test_hints_name_sql_that_is_accepted() -> None:
    hints = set()
    for statement in REFUSED:
        with pytest.raises(QueryNotPrivateError) as raised:
            _plan(statement.sql)
        hints.add(raised.value.hint)
    named = {word for hint in hints if hint for word in re.findall(r"DATE_TRUNC\('month', [^)]*\)", hint)}
    assert "DATE_TRUNC('month', day)" in named
    assert len(hints) >= 7


@pytest.mark.parametrize(
    ("where", "months"),
    [
        ("TRUE", (0, 3)),
        ("day = DATE '2026-02-14'", (1, 1)),
        ("day IN (DATE '2026-02-14', DATE '2026-03-01')", (1, 2)),
        ("NOT day < DATE '2026-02-01'", (1, 3)),
        ("NOT (day < DATE '2026-02-01' OR day >= DATE '2026-03-01')", (1, 1)),
        ("day < DATE '2020-01-01'", (0, 0)),
        ("day > DATE '2026-02-01' AND day < DATE '2026-01-10'", (0, 0)),
        ("YEAR(day) = 2026", (0, 3)),
        ("YEAR(day) = 2025", (0, 0)),
        ("YEAR(day) < 99999", (0, 3)),
        ("MONTH(day) = 3", (2, 2)),
        ("MONTH(day) >= 3 AND day < DATE '2026-04-01'", (2, 2)),
        ("DATE_TRUNC('year', day) = DATE '2026-01-01'", (0, 3)),
        ("DATE_TRUNC('quarter', day) < DATE '2026-02-01'", (0, 2)),
        ("DATE_TRUNC('month', day) IN (DATE '2026-02-01', DATE '2026-03-01')", (1, 2)),
        ("DATE_TRUNC('week', DATE_TRUNC('month', day)) = DATE '2026-01-26'", (0, 1)),
        ("DATE_TRUNC('month', DATE_TRUNC('week', day)) = DATE '2026-02-01'", (0, 3)),
        ("day + 31 > DATE '2026-04-30'", (0, 3)),
        ("day IS NOT NULL", (0, 3)),
        ("COALESCE(day, DATE '2026-01-01') = DATE '2026-01-01'", (0, 3)),
        ("day = DATE '2026-02-14' OR pieces > 3", (0, 3)),
        ("IF(day = DATE '2026-02-14', pieces > 3, pieces > 4)", (0, 3)),
    ],
)
def test_months_follow_from_conditions_on_the_day(where: str, months: tuple[int, int]) -> None:
    (node,) = _plan(f"SELECT COUNT(*) AS n FROM lines WHERE {where}").nodes
    (scan,) = node.aggregation.source.scans
    assert isinstance(scan, Dated)
    assert (scan.first, scan.last) == months


def test_a_month_beyond_one_year_is_not_told_by_its_number() -> None:
    longer = Schema(
        load_policy(
            WITH_BLOCKS.replace(
                "day: {type: date, range: [2026-01-01, 2026-04-30]}",
                "day: {type: date, range: [2025-01-01, 2026-04-30]}",
            )
        )
    )
    with pytest.raises(QueryNotPrivateError):
        planned("SELECT MONTH(day) AS m, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY m", schema=longer)
    both = "SELECT YEAR(day) AS y, MONTH(day) AS m, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY y, m"
    assert planned(both, schema=longer).nodes
    within = "SELECT MONTH(day) AS m, COUNT(DISTINCT household_id) AS n FROM lines WHERE YEAR(day) = 2025 GROUP BY m"
    assert len(planned(within, schema=longer).nodes[0].touched.months) == 12
    (node,) = planned("SELECT COUNT(*) AS n FROM lines WHERE MONTH(day) = 12", schema=longer).nodes
    assert len(node.touched.months) == 16


def test_a_unit_is_in_one_group_of_months() -> None:
    by_month = "SELECT DATE_TRUNC('month', day) AS m, COUNT(DISTINCT household_id) AS n FROM lines GROUP BY m"
    (node,) = _plan(by_month).nodes
    assert node.aggregation.measures[0].l2_bound == 1
    (node,) = _plan("SELECT day, COUNT(*) AS n FROM lines GROUP BY day").nodes
    assert not has_one_group(node.aggregation.source, node.aggregation.keys.expressions, SCHEMA)


def test_a_filter_in_an_aggregate_does_not_narrow_what_is_read() -> None:
    (node,) = _plan("SELECT COUNT(*) FILTER (WHERE day < DATE '2026-02-01') AS n FROM lines").nodes
    assert len(node.touched.months) == 4


def test_capacity_counts_months() -> None:
    (dated,) = _plan("SELECT COUNT(*) AS n FROM lines").nodes
    (static,) = _plan("SELECT COUNT(*) AS n FROM customers").nodes
    assert dated.aggregation.unit_capacity == 4 * static.aggregation.unit_capacity == 400


def test_without_blocks_nothing_has_a_month() -> None:
    (node,) = planned("SELECT COUNT(*) AS n FROM lines JOIN customers USING (household_id)").nodes
    assert dict(node.charges) == {"lifetime": node.loss}
    assert node.aggregation.source.span == 1
    assert not any(isinstance(scan, Dated) for scan in node.aggregation.source.scans)


def test_equal_days_mean_one_month_in_any_spelling() -> None:
    for on in ("b.day = a.day", "DATE_TRUNC('month', b.day) = a.day", "DATE_TRUNC('month', a.day) = b.day"):
        sql = f"SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.household_id = b.household_id AND {on}"
        assert _plan(sql).nodes[0].aggregation.source.span == 4


@pytest.mark.parametrize(
    ("day", "months"), [(date(2026, 3, 1), (0, 2)), (date(2025, 7, 1), (0, 0)), (date(2031, 1, 1), (0, 3))]
)
def test_months_that_are_still_to_come_are_neither_read_nor_paid_for(day: date, months: tuple[int, int]) -> None:
    schema = Schema(SCHEMA.policy, None, day)
    for seen in (schema, schema.without_bounds):
        (scan,) = planned("SELECT COUNT(*) AS n FROM lines", schema=seen).nodes[0].aggregation.source.scans
        assert isinstance(scan, Dated)
        assert (scan.first, scan.last) == months


def test_months_that_retention_has_emptied_are_not_paid_for() -> None:
    short = load_policy(WITH_BLOCKS.replace("days: 36000", "days: 40"))
    (node,) = planned("SELECT COUNT(*) AS n FROM lines", schema=Schema(short, None, date(2026, 4, 30))).nodes
    assert node.touched.months == ("2026-03", "2026-04")
