"""How many places a measure keeps: no row within its range is clamped, and no sum leaves 64 bits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import product

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from queries import aggregates, emit
from queries.errors import PolicyError, PriceError, QueryNotPrivateError
from queries.grids import fitted, places_for_rows
from queries.mechanisms import build
from queries.options import options_of
from queries.plan import VALUE_LIMIT, WEIGHT_ONE, Aggregation, Column, Kind, Measure, MeasureKind, Type
from queries.planner import plan
from queries.policy import load_policy
from queries.range_arithmetic import ANYTHING, Range
from queries.schema import Schema

POLICY = """
dataset: shop
title: A shop
unit: {{name: card, label: a card}}
max_units: {units}
budget: {{epsilon: 10, delta: 1e-6, delta_for_thresholds: 5e-7}}
query: {{default_epsilon: 1, max_epsilon: 2}}
retention: {{days: 1000, column: lines.day}}
tables:
  lines:
    visibility: private
    unit_column: card
    columns:
      card: {{type: integer}}
      day: {{type: date}}
      a: {{type: decimal, scale: {places_a}, range: ["{low_a}", "{high_a}"]}}
      b: {{type: decimal, scale: {places_b}, range: ["{low_b}", "{high_b}"]}}
      c: {{type: integer}}
      d: {{type: decimal, scale: 2}}
bounds:
  - {{measure: rows, l2: {rows}}}
  - {{measure: lines.a, l2: "{bound_a}"}}
"""
MOST_ROWS = (1 << 31) - 1
SUMMANDS = (
    *("a", "a * b", "b * a * 2", "a - b", "ABS(a) * ABS(b)", "LEAST(a, 100)", "ROUND(a / 7, 2)", "a * a"),
    *("CASE WHEN a > 1 THEN a * b ELSE 0 END", "c % 1000", "GREATEST(LEAST(c, 10), 0) * a"),
)


@st.composite
def shops(draw: st.DrawFn) -> dict[str, object]:
    """Two columns of some places and ranges, and bounds."""

    def ends(places: int) -> tuple[Decimal, Decimal]:
        low, high = sorted(draw(st.tuples(*[st.integers(-(10**k), 10**k) for k in (draw(st.integers(0, 18)),) * 2])))
        return Decimal(low).scaleb(-places), Decimal(high).scaleb(-places)

    places_a, places_b = draw(st.integers(0, 9)), draw(st.integers(0, 9))
    (low_a, high_a), (low_b, high_b) = ends(places_a), ends(places_b)
    return {
        "units": draw(st.sampled_from([1, 1000, 10**6, 10**9])),
        "places_a": places_a,
        "places_b": places_b,
        "low_a": f"{low_a:f}",
        "high_a": f"{high_a:f}",
        "low_b": f"{low_b:f}",
        "high_b": f"{high_b:f}",
        "rows": draw(st.sampled_from([1, 100, 10**4])),
        "bound_a": Decimal(draw(st.integers(1, 10**6))).scaleb(-draw(st.integers(0, 4))),
    }


def _planned(sql: str, shop: Mapping[str, object], options: Mapping[str, object], rho_nano: int) -> Aggregation | None:
    """The one release of a statement; None where it is refused for a bound, a range, or the policy's own sums."""
    try:
        schema = Schema(load_policy(POLICY.format(**shop)))
        (node,) = plan(sql, {}, schema, rho_nano, options_of(options), lambda _: 1).nodes
    except PolicyError:
        return None
    except QueryNotPrivateError as refused:
        assert refused.code in {"bound-out-of-range", "no-bound", "range-too-wide", "inexact-sum"}, refused  # noqa: PT017
        return None
    return node.aggregation


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, dict[str, object], int]:
    """A statement with its options and its price."""
    style = draw(st.sampled_from(["none", "none", "l2", "rows", "groups"]))
    size = draw(st.sampled_from(["0.001", "7", "123456.789", "100000000"]))
    options: dict[str, object] = {} if style == "none" else {"l2_bound": {"s": size}}
    options |= {"contribution_bounds_per_row": {"s": [f"-{size}", size]}} if style == "rows" else {}
    options |= {"contribution_bounds_per_group": {"s": ["0", size]}} if style == "groups" else {}
    call, value = draw(st.sampled_from(["SUM", "AVG", "VAR_POP"])), draw(st.sampled_from(SUMMANDS))
    return f"SELECT {call}({value}) AS s FROM lines", options, draw(st.sampled_from([10**3, 10**7, 10**9]))


def _overflows(aggregation: Aggregation) -> list[Measure]:
    """The measures of which a unit's sum of a group, the total, or the noised total could leave its room."""
    found = []
    for measure, scale in zip(aggregation.measures, build(aggregation).scales(), strict=True):
        one_group = max(abs(bound) for bound in measure.row_bounds) * MOST_ROWS
        total = WEIGHT_ONE * measure.l2_bound * aggregation.unit_capacity + math.ceil(12 * scale)
        if one_group >= 1 << 62 or total >= 1 << 63:
            found.append(measure)
    return found


def _lost(aggregation: Aggregation, shop: Mapping[str, object]) -> list[str]:
    """The sums that clamp, or take for NULL, a row at the ends of the declared ranges."""
    ends = {
        name: {
            int(Decimal(str(shop[f"{end}_{name}"])).scaleb(int(str(shop[f"places_{name}"])))) for end in ("low", "high")
        }
        for name in ("a", "b")
    }
    rows = product(sorted(ends["a"]), sorted(ends["b"]), (0, -(1 << 63), (1 << 63) - 1))
    listed = ", ".join("(" + ", ".join(f"CAST({end} AS BIGINT)" for end in row) + ")" for row in rows)
    found = []
    for measure in aggregation.measures:
        if measure.kind is MeasureKind.SUM and measure.value is not None:
            sql = emit.sql_of(measure.value)
            kept = f"coalesce(abs(({sql})::HUGEINT) <= {VALUE_LIMIT}, FALSE)"
            if not _one(f"SELECT bool_and({kept}) FROM (VALUES {listed}) AS s0(a, b, c)"):
                found.append(sql)
    return found


def _one(sql: str) -> object:
    with duckdb.connect(config={"threads": 1}) as connection:
        row = connection.execute(sql).fetchone()
    return None if row is None else row[0]


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(shops(), questions())
def test_no_plan_can_be_built_whose_sums_leave_their_room_or_that_loses_a_declared_value(
    shop: dict[str, object], question: tuple[str, dict[str, object], int]
) -> None:
    sql, options, rho_nano = question
    try:
        aggregation = _planned(sql, shop, options, rho_nano)
    except PriceError:
        aggregation = None
    assume(aggregation is not None)
    if aggregation is not None:
        assert _overflows(aggregation) == []
        assert _lost(aggregation, shop) == []


WIDE: dict[str, object] = {
    "units": 1000,
    "places_a": 2,
    "places_b": 4,
    "low_a": "0.00",
    "high_a": "9000.00",
    "low_b": "-2.5000",
    "high_b": "100.0000",
    "rows": 10,
    "bound_a": "90.00",
}


@pytest.mark.parametrize(
    ("value", "scale"),
    [
        ("a", 2),
        ("a * b", 3),
        ("a * b * 10", 2),
        ("a * b * 1000", 0),
        ("LEAST(a, 10) * b", 6),
        ("b * b", 5),
        ("a + b", 4),
    ],
)
def test_a_sum_keeps_the_places_that_its_range_leaves_room_for(value: str, scale: int) -> None:
    aggregation = _planned(f"SELECT SUM({value}) AS s FROM lines", WIDE, {}, 10**9)
    assert aggregation is not None
    assert [measure.scale for measure in aggregation.measures] == [scale]
    assert _lost(aggregation, WIDE) == []


@pytest.mark.parametrize("more", [1, 2, 3])
def test_a_place_too_many_is_found(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    def finer(values: Range, scale: int) -> int | None:
        places = places_for_rows(values, scale)
        return None if places is None else min(scale, places + more)

    monkeypatch.setattr(aggregates, "places_for_rows", finer)
    aggregation = _planned("SELECT SUM(a * b) AS s FROM lines", WIDE, {}, 10**9)
    assert aggregation is not None
    assert _lost(aggregation, WIDE)


def test_a_square_is_of_the_value_with_as_many_places_as_a_row_has_room_for() -> None:
    """Nine places leave none for the other factor of a square: a small value would be lost in whole numbers."""
    shop = {**WIDE, "places_a": 9, "high_a": "400"}
    aggregation = _planned("SELECT VAR_POP(a) AS s FROM lines", shop, {}, 10**9)
    assert aggregation is not None
    square = max((m for m in aggregation.measures if m.kind is MeasureKind.SUM), key=lambda measure: measure.l2_bound)
    assert square.scale == 4
    assert square.value is not None
    assert _one(f"SELECT {emit.sql_of(square.value)} FROM (VALUES (400000000::BIGINT)) AS s0(a)") == 1600


def test_a_square_without_a_range_is_taken_to_be_that_of_less_than_ten_thousand() -> None:
    aggregation = _planned("SELECT VAR_POP(d) AS s FROM lines", WIDE, {"l2_bound": {"s": 1000}}, 10**9)
    assert aggregation is not None
    assert sorted(measure.scale for measure in aggregation.measures) == [0, 1, 2]


def test_a_value_that_does_not_fit_with_no_places_is_refused() -> None:
    assert _planned("SELECT SUM(a * b * 10000) AS s FROM lines", WIDE, {}, 10**9) is None
    assert places_for_rows(Range(0, VALUE_LIMIT), 0) == 0
    assert places_for_rows(Range(0, VALUE_LIMIT + 1), 0) is None
    assert places_for_rows(Range(-VALUE_LIMIT * 10 - 4, 0), 2) == 1
    assert places_for_rows(Range(-VALUE_LIMIT * 10 - 5, 0), 2) == 0
    assert places_for_rows(ANYTHING, 7) == 7
    assert places_for_rows(Range(0, ANYTHING.high), 7) == 7


def test_a_sum_of_many_units_keeps_the_places_that_its_bound_leaves_room_for() -> None:
    sql, scales = "SELECT SUM(a * b) AS s FROM lines", []
    for bound in (10, 10**3, 10**5, 10**6, 10**7):
        aggregation = _planned(sql, {**WIDE, "units": 10**6}, {"l2_bound": {"s": bound}}, 10**9)
        assert aggregation is not None
        assert _overflows(aggregation) == []
        scales += [measure.scale for measure in aggregation.measures]
    assert scales == [3, 3, 3, 1, 0]


def test_the_places_of_a_question_do_not_depend_on_its_price() -> None:
    sql, shop = "SELECT SUM(a * b) AS s FROM lines", {**WIDE, "units": 10**6}
    options = {"l2_bound": {"s": 10**5}}
    digests = {
        found.digest for rho in (10**5, 10**7, 10**9) if (found := _planned(sql, shop, options, rho)) is not None
    }
    assert len(digests) == 1


def test_bounds_of_rows_and_groups_are_kept_outwards_with_fewer_places() -> None:
    value = Column(0, "a", Type(Kind.DECIMAL, 2))
    stated = Measure(MeasureKind.SUM, value, 5 * 10**11, 2, (-101, 250), (-1, 99))
    measure = fitted(stated, 10**3)
    assert (measure.scale, measure.l2_bound) == (1, 5 * 10**10)
    assert (measure.row_bounds, measure.group_bounds) == ((-11, 25), (-1, 10))
    unstated = fitted(replace(stated, row_bounds=(-VALUE_LIMIT, VALUE_LIMIT), group_bounds=None), 10**3)
    assert unstated.row_bounds == (-VALUE_LIMIT, VALUE_LIMIT)
    assert fitted(stated, 1) is stated
    assert fitted(stated, 10**9) is stated  # there is no room with no places either
