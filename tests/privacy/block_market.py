"""The market with blocks: its cards' lines are of four months, its cards of none. And the same rows without blocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from hypothesis import strategies as st

from queries.policy import load_policy
from queries.schema import Schema
from tests.privacy.market import POLICY_TEXT, Customer, Market, Row
from tests.privacy.statements import From, customers

FIRST, MONTHS = 2025 * 12 + 10, 4  # from November 2025 on
DAYS = (
    date(2025, 11, 15),
    date(2025, 11, 30),
    date(2025, 12, 1),
    date(2026, 1, 31),
    date(2026, 2, 1),
    date(2026, 2, 20),
)
_PLAIN = POLICY_TEXT.replace("[2026-01-30, 2026-02-03]", "[2025-11-15, 2026-02-20]")
SCHEMA = Schema(load_policy(f"{_PLAIN}blocks: {{period: month, columns: {{lines: day}}}}\n"))
WITHOUT_BLOCKS = Schema(load_policy(_PLAIN))


class BlockMarket(Market):
    """The market whose lines carry the number of a card and a month."""

    def unit(self, table: str, number: int, row: Row) -> int:
        return number if table == "cards" else number * MONTHS + month_of(row)


def month_of(line: Row) -> int:
    """The number of the month of a line."""
    day = line[1]
    assert isinstance(day, date)
    return day.year * 12 + day.month - 1 - FIRST


def without_month(customer: Customer, month: int) -> Customer:
    """The customer without the lines of one month."""
    return replace(customer, lines=tuple(line for line in customer.lines if month_of(line) != month))


@st.composite
def dated_customers(draw: st.DrawFn) -> tuple[Customer, ...]:
    """Customers whose lines are of any day of the four months."""
    found = draw(customers)
    days = [draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4)) for _ in found]
    return tuple(
        replace(each, lines=tuple((line[0], own[n % len(own)], *line[2:]) for n, line in enumerate(each.lines)))
        for each, own in zip(found, days, strict=True)
    )


def on_days(day: str) -> tuple[str, ...]:
    """Conditions that leave some months, or do not tell which."""
    return (
        f"{day} >= DATE '2026-01-01'",
        f"{day} BETWEEN DATE '2025-12-01' AND DATE '2025-12-31'",
        f"DATE_TRUNC('month', {day}) = DATE '2025-11-01'",
        f"NOT ({day} < DATE '2025-12-01' OR {day} > DATE '2026-01-31')",
        f"EXTRACT(year FROM {day}) = 2026",
        f"YEAR({day}) < 2026 AND MONTH({day}) = 12",
        f"MONTH({day}) IN (1, 2)",
        f"DATE_TRUNC('quarter', {day}) = DATE '2026-01-01'",
        f"DATE_TRUNC('year', {day}) < DATE '2026-01-01'",
        f"DATE_TRUNC('week', {day}) >= DATE '2026-01-26'",
        f"{day} IN (DATE '2025-11-30', DATE '2026-01-31')",
        f"({day} = DATE '2025-11-15' OR {day} > DATE '2026-02-10')",
        f"{day} + 3 > DATE '2026-02-01'",
        f"{day} > DATE '2031-01-01'",
        f"{day} = DATE '2026-01-31' AND {day} <> DATE '2026-02-01'",
    )


_DAY_KEYS = ("day", "date_trunc('month', day)", "month(day)", "note", "hour", "ticket", "date_trunc('week', day)")
_LINES = From("lines", keys=_DAY_KEYS, conditions=on_days("day"))
FROMS = (
    _LINES,
    _LINES,
    From(
        "lines JOIN cards USING (card_id)",
        ("amount", "pieces", "members"),
        ("town",),
        (*_DAY_KEYS, "age", "town"),
        conditions=on_days("day"),
    ),
    From(
        "cards c JOIN lines l ON c.card_id = l.card_id AND c.members < l.pieces",
        ("amount", "members"),
        ("town",),
        ("day", "age", "date_trunc('month', l.day)"),
        "c.card_id",
        on_days("l.day"),
    ),
    From(
        "lines l LEFT JOIN cards c ON c.card_id = l.card_id AND c.age = 'old'",
        ("amount", "members"),
        ("note", "town"),
        ("day", "age", "month(day)"),
        "l.card_id",
        on_days("day"),
    ),
    From("cards", ("members",), ("town", "age"), ("age", "town", "members")),
    From(
        "lines a JOIN lines b ON a.card_id = b.card_id AND a.day = b.day AND a.amount < b.amount",
        ("a.amount", "b.pieces"),
        ("a.note",),
        ("a.day", "b.hour", "date_trunc('month', b.day)"),
        "a.card_id",
        on_days("b.day"),
    ),
    From(
        "lines a JOIN lines b ON a.card_id = b.card_id AND date_trunc('month', a.day) = date_trunc('month', b.day) "
        "JOIN cards c ON c.card_id = b.card_id",
        ("a.amount", "members"),
        ("a.note",),
        ("a.day", "b.hour", "c.age"),
        "a.card_id",
        (*on_days("a.day"), *on_days("b.day")),
    ),
    From(
        "lines a JOIN lines b ON a.card_id = b.card_id AND a.hour = b.hour",  # of months that a condition has to tell
        ("a.amount", "b.pieces"),
        ("a.note",),
        ("a.day", "b.hour"),
        "a.card_id",
        (
            *(f"{one} AND {two}" for one, two in zip(on_days("a.day"), on_days("b.day"), strict=True)),
            *on_days("b.day"),
        ),
    ),
    From(
        "lines a LEFT JOIN lines b ON a.card_id = b.card_id AND a.day = b.day AND b.pieces > 1",
        ("a.amount", "b.pieces"),
        ("a.note",),
        ("a.day", "b.hour"),
        "a.card_id",
        (*on_days("a.day"), *on_days("b.day")),
    ),
    From(
        "(SELECT card_id, date_trunc('month', day) AS m, COUNT(*) AS n, SUM(amount) AS s, MAX(day) AS d, "
        "MIN(note) AS t FROM lines GROUP BY card_id, m HAVING COUNT(*) <> 2) g",
        ("n", "s"),
        ("t",),
        ("n", "m", "d", "t"),
        conditions=(*on_days("m"), *on_days("d")),
    ),
    From(
        "(SELECT card_id, COUNT(*) AS n, SUM(amount) AS s, MIN(note) AS t FROM lines WHERE day > DATE '2026-02-10' "
        "GROUP BY card_id) g JOIN cards USING (card_id)",
        ("n", "s", "members"),
        ("t", "town"),
        ("n", "age"),
    ),
    From(
        "(SELECT card_id, day, amount, note, ROW_NUMBER() OVER (PARTITION BY card_id, day ORDER BY amount) AS r, "
        "SUM(pieces) OVER (PARTITION BY card_id, date_trunc('month', day) ORDER BY hour) AS so_far FROM lines) w",
        ("amount", "so_far", "r"),
        ("note",),
        ("day", "r", "note"),
        conditions=on_days("day"),
    ),
    From(
        "(SELECT card_id, day, amount, note FROM lines WHERE day < DATE '2025-12-01' UNION ALL SELECT card_id, day, "
        "amount * 2, 'more' FROM lines WHERE day >= DATE '2026-02-01') u",
        ("amount",),
        ("note",),
        ("note", "day", "amount"),
        conditions=on_days("day"),
    ),
    From("(SELECT DISTINCT card_id, note, day FROM lines) d", ("length(note)",), ("note",), ("note", "day")),
    From(
        "(SELECT card_id, amount, pieces, note, day FROM lines l WHERE EXISTS (SELECT 1 FROM lines m WHERE m.card_id = "
        "l.card_id AND m.day = l.day AND m.amount > 5) OR card_id NOT IN (SELECT card_id FROM cards WHERE age = 'old') "
        "OR product_id IN (SELECT product_id FROM products WHERE price > 5)) e",
        ("amount", "pieces"),
        ("note",),
        ("day", "note"),
        conditions=on_days("day"),
    ),
    From(
        "lines l LEFT JOIN (SELECT card_id, day, town FROM lines JOIN cards USING (card_id) WHERE pieces > 0) t "
        "ON t.card_id = l.card_id AND t.day = l.day",
        ("amount", "pieces"),
        ("note", "town"),
        ("l.day", "town"),
        "l.card_id",
        on_days("l.day"),
    ),
    From(
        "(SELECT * FROM lines WHERE card_id IN (SELECT card_id FROM cards WHERE members = 2)) o",
        ("amount", "pieces"),
        ("note",),
        ("day", "note"),
        conditions=on_days("day"),
    ),
)
