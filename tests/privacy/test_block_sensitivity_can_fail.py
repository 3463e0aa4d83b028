"""The checker of a dataset with blocks sees faults: each is planted here, and found."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from queries import aggregates, drafts, emit, months, plan, unit_rows, views
from queries.block_charges import TouchedBlocks, touched_blocks
from queries.plan import Relation, Source
from queries.schema import Schema
from tests.privacy.block_market import DAYS, MONTHS, SCHEMA, WITHOUT_BLOCKS, BlockMarket
from tests.privacy.market import Customer, Market
from tests.privacy.statements import Asked
from tests.privacy.test_block_sensitivity import changed_by_other_months, missed, overcharged, told_apart

NOVEMBER, JANUARY, FEBRUARY = DAYS[0], DAYS[3], DAYS[5]
BLOCKS = ["block:2025-11", "block:2026-01", "block:2026-02"]


def _line(day: object, amount: int) -> tuple[object, ...]:
    return (1, day, 1, 2, amount, None, None, "a", 7)


HEAVY = Customer((_line(NOVEMBER, 100_000), _line(JANUARY, 100_000), _line(FEBRUARY, -90_000)), (("old", "here", 2),))
EVERYBODY = (HEAVY, Customer((_line(JANUARY, 1),)))

SUM = "SELECT SUM(amount) AS spend FROM lines"
SINCE = f"{SUM} WHERE day >= DATE '2026-01-01'"
JOINED = "SELECT SUM(ABS(amount)) AS spend FROM lines JOIN cards USING (card_id)"
CHANGED = (
    "SELECT SUM(CASE WHEN c.age = 'old' THEN ABS(amount) ELSE -ABS(amount) END) AS spend "
    "FROM lines l LEFT JOIN cards c ON l.card_id = c.card_id"
)
PAIRS = (
    "SELECT SUM(a.amount * b.pieces) AS spend FROM lines a JOIN lines b ON a.card_id = b.card_id AND "
    "DATE_TRUNC('month', a.day) = DATE_TRUNC('month', b.day)"
)
ACROSS = (
    "SELECT SUM(CASE WHEN b.amount < 0 THEN -5 * ABS(a.amount) ELSE ABS(a.amount) END) AS spend "
    "FROM lines a JOIN lines b ON a.card_id = b.card_id AND a.hour = b.hour"
)
GROUPED = (
    "SELECT SUM(s) AS s FROM (SELECT card_id, DATE_TRUNC('month', day) AS m, SUM(amount) AS s FROM lines "
    "GROUP BY card_id, m) AS t"
)
ALL = [SUM, SINCE, JOINED, CHANGED, PAIRS, GROUPED]
OTHER_MONTHS = "SELECT COUNT(*) AS n FROM lines a JOIN lines b ON a.card_id = b.card_id AND a.hour = b.hour"
PER_CARD = "SELECT COUNT(*) AS n FROM (SELECT card_id, SUM(amount) AS s FROM lines GROUP BY card_id) AS t WHERE s > 100"
FIRSTS = (
    "SELECT COUNT(*) AS n FROM (SELECT ROW_NUMBER() OVER (PARTITION BY card_id ORDER BY day) AS r FROM lines) AS t "
    "WHERE r = 1"
)
DISTINCT = "SELECT COUNT(*) AS n FROM (SELECT DISTINCT card_id, note FROM lines) AS t"
UNITS = "SELECT COUNT(DISTINCT card_id) AS n FROM lines"
EXISTS = "SELECT COUNT(*) AS n FROM lines WHERE card_id IN (SELECT card_id FROM lines WHERE amount < 0)"
Found = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    opened = BlockMarket(schema=SCHEMA)
    yield opened
    opened.connection.close()


@pytest.fixture(scope="module")
def plain_market() -> Iterator[Market]:
    opened = Market(schema=WITHOUT_BLOCKS)
    yield opened
    opened.connection.close()


@pytest.fixture
def found(market: Market) -> Found:
    """The meters that are charged too little."""

    def ask(sql: str) -> list[str]:
        (node,) = market.plan(sql, {}).nodes
        return sorted(set(overcharged(market, node, EVERYBODY)))

    return ask


@pytest.mark.parametrize("sql", ALL)
def test_without_a_fault_nothing_is_found(found: Found, market: Market, sql: str) -> None:
    assert found(sql) == []
    (node,) = market.plan(sql, {}).nodes
    assert not changed_by_other_months(market, node, EVERYBODY)
    assert not missed(market, Asked(sql, {}), EVERYBODY)


def test_bounding_by_account_instead_of_by_month_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(relation: Relation) -> str:
        return re.sub(r"(s\d+\._u)", rf"(\1 // {MONTHS} * {MONTHS})", real(relation))

    real = emit._unit
    monkeypatch.setattr(emit, "_unit", loose)
    assert set(found(SUM)) & set(BLOCKS)


@pytest.mark.parametrize(("sql", "steps"), [(JOINED, 1), (JOINED, 2), (CHANGED, 3), (CHANGED, 5)])
def test_static_rows_that_are_charged_too_few_steps_are_found(
    found: Found, monkeypatch: pytest.MonkeyPatch, sql: str, steps: int
) -> None:
    """The heavy customer is in three of the four months: without its card three units go, or change, which is six."""

    def loose(relation: Relation, schema: Schema) -> TouchedBlocks:
        few = touched_blocks(relation, schema)
        return replace(few, static_steps=steps)

    monkeypatch.setattr(drafts, "touched_blocks", loose)
    assert found(sql) == ["static"]


def test_a_row_that_changes_without_its_static_row_is_more_than_one_that_goes(
    found: Found, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    within = "WHERE l.day < DATE '2025-12-01'"
    assert market.plan(f"{CHANGED} {within}", {}).nodes[0].touched.static_steps == 2
    monkeypatch.setattr(plan, "_needs_undated", lambda _: True)
    assert found(f"{CHANGED} {within}") == ["static"]


def test_an_account_that_is_charged_as_one_month_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(relation: Relation, schema: Schema) -> TouchedBlocks:
        return replace(touched_blocks(relation, schema), account_steps=1)

    monkeypatch.setattr(drafts, "touched_blocks", loose)
    assert found(JOINED) == ["lifetime"]


def _reading_all_months(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(source: Source, index: int, units: tuple[int, int] | None, replacement: str | None = None) -> str:
        return re.sub(r"( AND)? _u % \d+ BETWEEN \d+ AND \d+", "", real(source, index, units, replacement))

    real = emit.source_sql
    monkeypatch.setattr(emit, "source_sql", loose)


def _seeing_one_month_less(monkeypatch: pytest.MonkeyPatch) -> None:
    def loose(relation: Relation, schema: Schema) -> tuple[int, int] | None:
        known = real(relation, schema)
        return None if known is None else (known[0], max(known[0], known[1] - 1))

    real = months.months_of
    monkeypatch.setattr(months, "months_of", loose)


def test_a_month_that_is_read_and_not_charged_is_found(
    found: Found, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    _seeing_one_month_less(monkeypatch)
    assert found(SUM) == []  # what is not charged is not read: the answer is wrong, and private
    _reading_all_months(monkeypatch)
    assert found(SUM) == ["block:2026-02"]
    (node,) = market.plan(SUM, {}).nodes
    assert changed_by_other_months(market, node, EVERYBODY)


def test_a_month_that_is_left_out_is_found(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    _seeing_one_month_less(monkeypatch)
    assert missed(market, Asked(SINCE, {}), EVERYBODY)


def test_a_join_of_rows_of_other_months_is_found(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the type checker lets through, plans join months with themselves."""

    def loose(index: int, source: Source, span: int) -> str:
        del span
        return f"s{index}._u // {source.span}"

    monkeypatch.setattr(views, "is_of_one_month", lambda *_: True)
    assert found(ACROSS) == []
    monkeypatch.setattr(emit, "_number", loose)
    assert set(found(ACROSS)) & set(BLOCKS)


@pytest.mark.parametrize("sql", [OTHER_MONTHS, EXISTS])
def test_a_statement_that_joins_months_and_is_let_through_is_found(
    market: Market, plain_market: Market, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr(views, "is_of_one_month", lambda *_: True)
    assert told_apart(market, plain_market, Asked(sql, {}), EVERYBODY)


@pytest.mark.parametrize("sql", [PER_CARD, FIRSTS, DISTINCT, UNITS])
def test_a_statement_about_accounts_that_is_let_through_is_found(
    market: Market, plain_market: Market, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    for module in (unit_rows, aggregates):
        monkeypatch.setattr(module, "lies_in_one_month", lambda *_: True)
    assert told_apart(market, plain_market, Asked(sql, {}), EVERYBODY)
