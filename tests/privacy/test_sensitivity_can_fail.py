"""The grey-box checker sees faults: each is planted here, and found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from queries import distinct, emit, kernel, mechanisms, unit_sums
from queries.engines import duckdb as duckdb_engine
from queries.plan import Aggregation, Block, Derived, Measure, MeasureKind, ThresholdKeys, Union
from tests.privacy.market import Customer, Market
from tests.privacy.sensitivity import UNBOUNDED, search_violations, steps, violations
from tests.privacy.statements import line

LINES = tuple(line(product=1 + n % 4, pieces=90, amount=100_000, ticket=n) for n in range(40))
HEAVY = Customer(LINES, (("young", "here", 2),))
NEAR = Customer((line(amount=1_875),))  # half as much again as the bound
LIGHT = Customer((line(amount=-100_000),), (("old", "here", 1),))
OTHERS = (LIGHT, LIGHT, LIGHT)
SUM = "SELECT department, SUM(amount) AS spend FROM lines JOIN products USING (product_id) GROUP BY department"
TICKETS = "SELECT ticket, COUNT(*) AS n FROM lines GROUP BY ticket"
JOINED = "SELECT SUM(a.amount) AS spend FROM lines a JOIN cards b ON a.card_id = b.card_id"
EXISTS = "SELECT COUNT(*) AS n FROM cards WHERE card_id IN (SELECT card_id FROM lines WHERE pieces = 90)"
GROUPED = "SELECT SUM(s) AS s FROM (SELECT card_id, SUM(amount) AS s FROM lines GROUP BY card_id) AS t"
NUMBERED = (
    "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY card_id ORDER BY amount DESC) AS r FROM lines) "
    "AS t WHERE r > 1"
)
DIFFERENT = (
    "SELECT department, COUNT(DISTINCT ticket) AS n FROM lines JOIN products USING (product_id) GROUP BY department"
)
TOP = (
    "SELECT product_id, COUNT(DISTINCT card_id) AS n FROM lines JOIN products USING (product_id) GROUP BY product_id "
    "ORDER BY n DESC LIMIT 2"
)
MEDIAN = (
    "SELECT department, MEDIAN(pieces, l2_bound => 1) AS m FROM lines JOIN products USING (product_id) "
    "GROUP BY department"
)
Found = Callable[[str, Customer], list[str]]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = Market()
    yield opened
    opened.connection.close()


@pytest.fixture
def found(market: Market) -> Found:
    """What the checker says when a customer leaves three light ones behind."""

    def ask(sql: str, leaving: Customer) -> list[str]:
        (node,) = market.plan(sql, {}).nodes
        named = []
        for step in steps(node.aggregation):
            whole, without = (market.sums(step, who) for who in ((leaving, *OTHERS), OTHERS))
            named += [violation.what for violation in violations(step, whole, without)]
        return named

    return ask


@pytest.mark.parametrize("sql", [SUM, TICKETS, JOINED, EXISTS, GROUPED, NUMBERED, DIFFERENT, MEDIAN, TOP])
def test_without_a_fault_nothing_is_found(found: Found, sql: str) -> None:
    assert found(sql, HEAVY) == []


@pytest.mark.parametrize("factor", [2, 1 << 20])
def test_a_bound_that_is_not_kept_is_found(found: Found, monkeypatch: pytest.MonkeyPatch, factor: int) -> None:
    def loose(measure: Measure, column: int) -> list[int]:
        return [*real(measure, column)[:-1], measure.l2_bound * factor]

    real = unit_sums._measure
    monkeypatch.setattr(unit_sums, "_measure", loose)
    assert "all blocks: rho" in found(SUM, NEAR)


def test_a_bound_a_thousandth_too_loose_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(measure: Measure, column: int) -> list[int]:
        return [*real(measure, column)[:-1], measure.l2_bound * 1001 // 1000]

    real = unit_sums._measure
    monkeypatch.setattr(unit_sums, "_measure", loose)
    assert "all blocks: rho" in found(SUM, NEAR)


def test_a_tree_whose_levels_are_bounded_one_by_one_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(measure: Measure, column: int) -> list[int]:
        return [*real(measure, column)[:-1], measure.l2_bound * 2]  # √levels too much

    real = unit_sums._measure
    monkeypatch.setattr(unit_sums, "_measure", loose)
    assert "all blocks: rho" in found(MEDIAN, HEAVY)


def test_a_unit_that_keeps_too_many_values_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(l2_bound: int, groups: int) -> distinct.DistinctAccumulator:
        return real(l2_bound + 1, groups)

    real = distinct.DistinctAccumulator
    monkeypatch.setattr(duckdb_engine, "DistinctAccumulator", loose)
    assert "all blocks: rho" in found(DIFFERENT, HEAVY)


def test_values_kept_by_their_number_alone_are_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on all pairs of a unit instead of on the norm of its pairs a group: too much where they lie in one."""

    def loose(
        units: kernel.Numbers, groups: kernel.Numbers, values: kernel.Integers, bound: int, _: kernel.Numbers
    ) -> kernel.Integers:
        starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
        return np.concatenate([np.arange(start, stop)[:bound] for start, stop in pairwise([*starts, len(units)])])

    monkeypatch.setattr(distinct, "kept_pairs", loose)
    assert "all blocks: rho" in found(DIFFERENT, HEAVY)


def test_scores_that_count_rows_are_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(measure: Measure, column: int) -> list[int]:
        return [kernel.ROWS, *real(measure, column)[1:]] if measure.l2_bound == UNBOUNDED else real(measure, column)

    real = unit_sums._measure
    monkeypatch.setattr(unit_sums, "_measure", loose)
    assert "a score" in found(TOP, HEAVY)


@pytest.fixture
def searching(market: Market) -> Found:
    """What the checker says of a search for bounds, when a customer leaves three light ones behind."""

    def ask(sql: str, leaving: Customer) -> list[str]:
        (node,) = market.plan(sql, {}).nodes
        pairs = zip(*(market.searched(node.aggregation, who) for who in ((leaving, *OTHERS), OTHERS)), strict=True)
        return [violation.what for whole, without in pairs for violation in search_violations(whole, without)]

    return ask


@pytest.mark.parametrize("sql", [SUM, TICKETS, JOINED, EXISTS, GROUPED, NUMBERED])
def test_without_a_fault_nothing_is_found_in_a_search(searching: Found, sql: str) -> None:
    assert searching(sql, HEAVY) == []


def test_bounds_of_cells_that_are_not_kept_are_found(searching: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(layout: unit_sums.Layout, *arguments: Any, **more: Any) -> kernel.Floats:
        return real(layout, *arguments, **more) * 0.5

    real = unit_sums.Layout.inverse
    monkeypatch.setattr(unit_sums.Layout, "inverse", loose)
    assert "sums: squared distance in units of the bounds" in searching(SUM, HEAVY)


def test_losses_beyond_their_caps_are_found(searching: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(*arguments: Any) -> None:
        *others, caps, lost = arguments
        real(*others, caps * 2, lost)  # type: ignore[call-arg]

    real = kernel.lose_units
    monkeypatch.setattr(kernel, "lose_units", loose)
    assert "losses: more than the cap" in searching(SUM, HEAVY)


def test_a_unit_whose_norms_are_counted_by_group_is_found(searching: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bin for each of the unit's cells, instead of one for all of them."""

    def loose(_: kernel.Integers, groups: kernel.Numbers, sums: kernel.Integers, *others: Any) -> None:
        real(np.arange(1, len(groups) + 1), groups, sums, *others)

    real = kernel.measure_units
    monkeypatch.setattr(kernel, "measure_units", loose)
    assert "norms: a unit in more than one bin" in searching(TICKETS, HEAVY)


def test_a_unit_with_too_many_rare_keys_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def boundless(keys: ThresholdKeys) -> Block:
        return Block((Measure(MeasureKind.UNITS, None, l2_bound=1),), keys.rho_nano)

    monkeypatch.setattr(ThresholdKeys, "selection", property(boundless))
    assert "keys of one unit" in found(TICKETS, HEAVY)


@pytest.mark.parametrize("sql", [JOINED, EXISTS])
def test_a_join_across_units_is_found(found: Found, monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    def loose(aggregation: Aggregation, groups: emit.Groups, units: tuple[int, int] | None) -> str:
        return re.sub(r"s1\._u = s0\._u", "TRUE", real(aggregation, groups, units))

    real = emit.contributions
    monkeypatch.setattr(emit, "contributions", loose)
    assert found(sql, HEAVY)


@pytest.mark.parametrize(
    ("sql", "own", "everybody"),
    [
        (GROUPED, r"SELECT s0\._u AS _u, (.*) GROUP BY 1", r"SELECT min(s0._u) AS _u, \1"),
        (NUMBERED, r"PARTITION BY s0\._u", "PARTITION BY 1"),
    ],
    ids=["groups", "windows"],
)
def test_rows_made_of_rows_of_several_units_are_found(
    found: Found, monkeypatch: pytest.MonkeyPatch, sql: str, own: str, everybody: str
) -> None:
    def loose(source: Derived | Union, units: tuple[int, int] | None) -> str:
        text, count = re.subn(own, everybody, real(source, units))
        assert count == 1
        return text

    real = emit._subquery
    monkeypatch.setattr(emit, "_subquery", loose)
    assert found(sql, HEAVY)


def test_noise_that_is_too_small_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(sensitivity: int, rho_nano: int) -> mechanisms.Gaussian:
        return mechanisms.Gaussian(sensitivity, real(sensitivity, rho_nano).scale * 0.999, rho_nano)

    real = mechanisms.Gaussian.of
    monkeypatch.setattr(mechanisms.Gaussian, "of", quiet)
    assert found(SUM, NEAR) == ["block 0: rho", "all blocks: rho"]
