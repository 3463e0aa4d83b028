"""Statements and customers made by chance: what the grey-box tests ask, of whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache

from hypothesis import strategies as st

from tests.privacy.market import Customer, Layout

_DAYS = [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 3)]
_LINE = st.tuples(
    st.integers(1, 5),  # product 5 is in no catalogue
    st.sampled_from(_DAYS),
    st.none() | st.integers(0, 2),
    st.sampled_from([-5, -1, 0, 1, 2, 90]),
    st.sampled_from([-100_000, -1, 0, 1, 99, 1_250, 100_000]) | st.integers(-100_000, 100_000),
    st.none() | st.sampled_from([-10_000, -1, 1, 1_500, 10_000]),
    st.none() | st.booleans(),
    st.none() | st.sampled_from(["", "a", "b", "é", "A b"]),
    st.none() | st.sampled_from([0, 1, 2, 3, -(2**63), 2**63 - 1]) | st.integers(-(2**40), 2**40),
)
_CARD = st.tuples(
    st.none() | st.sampled_from(["young", "old"]), st.sampled_from(["here", "there", "x"]), st.integers(1, 2)
)


@st.composite
def _customer(draw: st.DrawFn) -> Customer:
    lines = draw(st.lists(_LINE, max_size=5))
    again = draw(st.sampled_from([1, 1, 1, 2, 9]))  # a heavy one
    return Customer(tuple(lines * again), tuple(draw(st.lists(_CARD, max_size=1))))


def line(product: int = 1, pieces: int = 1, amount: int = 100, ticket: int | None = None) -> tuple[object, ...]:
    """One plain line."""
    return (product, _DAYS[0], 1, pieces, amount, None, None, "a", ticket)


customers = st.lists(_customer(), min_size=1, max_size=3).map(tuple)


@st.composite
def layouts(draw: st.DrawFn, units: int) -> Layout:
    """An order of units and rows, and bounds of partitions."""
    cuts = draw(st.lists(st.fractions(0, 1), max_size=3))
    return Layout(tuple(draw(st.permutations(range(units)))), draw(st.booleans()), tuple(map(Fraction, cuts)))


@dataclass(frozen=True)
class Asked:
    """A statement with its options."""

    sql: str
    options: dict[str, object]


_KEYS = ("day", "hour", "by_card", "note", "ticket", "amount")


@dataclass(frozen=True)
class From:
    """A FROM clause, and what can be said about its rows."""

    text: str
    numbers: tuple[str, ...] = ("amount", "pieces", "discount", "ticket", "hour")
    texts: tuple[str, ...] = ("note",)
    keys: tuple[str, ...] = (
        "day",
        "hour",
        "by_card",
        "note",
        "ticket",
        "amount",
        "month(day)",
        "date_trunc('month', day)",
    )
    unit: str = "card_id"
    conditions: tuple[str, ...] = ()  # of which one may be met besides


_CATALOGUE = ("department", "category", "price", "department || coalesce(category, '')")
_LINES = From("lines")
_PUBLIC = (*_LINES.keys, *_CATALOGUE)
_CARDS = ("age", "town", "members")
_FROMS = (
    _LINES,
    _LINES,
    From("lines JOIN products USING (product_id)", (*_LINES.numbers, "price"), ("note", "department"), _PUBLIC),
    From(
        "lines LEFT JOIN products p ON lines.product_id = p.product_id AND p.price > 5",
        (*_LINES.numbers, "price"),
        ("note", "category"),
        _PUBLIC,
    ),
    From("lines, products p", (*_LINES.numbers, "price"), ("note", "department"), _PUBLIC),
    From(
        "lines JOIN products p ON lines.product_id <= p.product_id AND p.price * 2 < lines.amount",
        (*_LINES.numbers, "price"),
        ("department",),
        _PUBLIC,
    ),
    From("lines JOIN cards USING (card_id)", (*_LINES.numbers, "members"), ("town",), (*_LINES.keys, *_CARDS)),
    From(
        "lines l LEFT JOIN cards c ON c.card_id = l.card_id AND c.age = 'old'",
        (*_LINES.numbers, "members"),
        ("note", "town", "age"),
        (*_LINES.keys, *_CARDS),
        "l.card_id",
    ),
    From(
        "cards c LEFT JOIN lines l ON c.card_id = l.card_id AND l.amount > 0",
        ("amount", "members"),
        ("note", "town"),
        ("day", "by_card", *_CARDS),
        "c.card_id",
    ),
    From("cards", ("members",), ("town", "age"), _CARDS),
    From(
        "lines a JOIN lines b ON a.card_id = b.card_id AND a.day < b.day",
        ("a.amount", "b.pieces"),
        ("a.note",),
        ("a.day", "b.hour", "b.note"),
        "a.card_id",
    ),
    From(
        "(SELECT card_id, day, CASE WHEN amount > 1 THEN amount * 3 ELSE -amount END AS amount, "
        "pieces % 3 AS pieces, note FROM lines WHERE hour IS NOT NULL) t",
        ("amount", "pieces"),
        ("note",),
        ("day", "pieces", "note", "amount"),
    ),
    From(
        "lines l LEFT JOIN (SELECT card_id AS k, department AS d, amount AS worth FROM lines JOIN products USING "
        "(product_id)) t ON t.k = l.card_id AND t.worth >= l.amount",
        ("amount", "worth"),
        ("note", "d"),
        ("day", "d", "note"),
        "l.card_id",
    ),
    From(
        "(SELECT card_id, COUNT(*) AS n, SUM(amount) AS s, MIN(note) AS t, MAX(hour) AS h, AVG(pieces) > 1 AS many, "
        "COUNT(DISTINCT ticket) AS tickets FROM lines GROUP BY card_id HAVING COUNT(*) <> 2) g",
        ("n", "s", "h", "tickets"),
        ("t",),
        ("n", "t", "h", "many", "CASE WHEN n < 3 THEN 'few' ELSE 'many' END"),
    ),
    From(
        "(SELECT card_id, day, note, COUNT(*) FILTER (WHERE amount > 1) AS n, SUM(pieces) AS s FROM lines GROUP BY 1, "
        "day, note) g JOIN lines l ON g.card_id = l.card_id AND g.day <= l.day",
        ("n", "s", "l.amount"),
        ("g.note", "l.note"),
        ("g.day", "l.day", "n", "g.note"),
        "g.card_id",
    ),
    From(
        "(SELECT card_id, day, amount, note, ROW_NUMBER() OVER (PARTITION BY card_id ORDER BY day DESC) AS r, "
        "LAG(amount) OVER (PARTITION BY card_id ORDER BY day) AS before, SUM(pieces) OVER (PARTITION BY card_id, note "
        "ORDER BY hour) AS so_far, COUNT(*) OVER (PARTITION BY card_id ORDER BY amount ROWS BETWEEN 1 PRECEDING AND 2 "
        "FOLLOWING) AS near, FIRST_VALUE(note) OVER (PARTITION BY card_id ORDER BY ticket) AS first FROM lines "
        "QUALIFY r < 5) w",
        ("amount", "before", "so_far", "near", "r"),
        ("note", "first"),
        ("day", "r", "note", "first", "near"),
    ),
    From(
        "(SELECT card_id, amount, note, day FROM lines UNION ALL SELECT card_id, members * 1.00, town, NULL FROM cards "
        "UNION ALL SELECT card_id, MAX(amount), 'most', MIN(day) FROM lines GROUP BY card_id) u",
        ("amount",),
        ("note",),
        ("note", "day", "amount"),
    ),
    From("(SELECT DISTINCT card_id, note, hour FROM lines) d", ("hour",), ("note",), ("note", "hour")),
    From(
        "(SELECT card_id, amount, pieces, note, day FROM lines l WHERE EXISTS (SELECT 1 FROM lines m WHERE m.card_id = "
        "l.card_id AND m.day = l.day AND m.amount > 5) OR card_id NOT IN (SELECT card_id FROM cards WHERE age = 'old') "
        "OR product_id IN (SELECT product_id FROM products WHERE price > 5)) e",
        ("amount", "pieces"),
        ("note",),
        ("day", "note"),
    ),
)
_OPERATORS = ("<", "<=", "=", "<>", ">", "IS DISTINCT FROM")
_LITERALS = ("0", "1", "-1", "2.5", "1000", "NULL")


@cache
def _conditions(source: From) -> st.SearchStrategy[str]:
    number, text = st.sampled_from(source.numbers), st.sampled_from(source.texts)
    plain = st.one_of(
        st.builds("{} {} {}".format, number, st.sampled_from(_OPERATORS), st.sampled_from(_LITERALS)),
        st.builds("{} LIKE '{}'".format, text, st.sampled_from(["%a%", "_", "", "%"])),
        st.builds("{} IN ('a', 'here', 'bread')".format, text),
        st.builds("{} IS NULL".format, number),
        st.builds("{} BETWEEN -1 AND {}".format, number, number),
    )
    return plain | plain | st.builds("({} {} {})".format, plain, st.sampled_from(["AND", "OR"]), plain)


@cache
def _values(source: From) -> st.SearchStrategy[str]:
    number = st.sampled_from(source.numbers)
    return st.one_of(
        number,
        st.builds("{} * {}".format, number, number),
        st.builds("CASE WHEN {} THEN {} ELSE 7 END".format, _conditions(source), number),
        st.builds("coalesce(-{}, 3)".format, number),
        st.builds("abs({}) % 7 - {}".format, number, number),
        st.builds("least({}, {})".format, number, number),
        st.builds(
            "{}({}, {})".format, st.sampled_from(["least", "greatest"]), number, st.sampled_from(["0", "2.5", "-1"])
        ),
        st.builds("CASE WHEN {} THEN {} * {} ELSE 0 END".format, _conditions(source), number, number),
        st.builds("{} - {}".format, number, number),
        st.builds("round({} / {}, {})".format, number, st.just("7") | number, st.sampled_from([0, 2, 9])),
        st.builds("greatest(least({} * {}, 100), -100) * {}".format, number, number, number),
        st.builds("length(left({}, 3))".format, st.sampled_from(source.texts)),
    )


@cache
def _aggregates(source: From) -> st.SearchStrategy[str]:
    call = st.one_of(
        st.sampled_from(["COUNT(*)", f"COUNT(DISTINCT {source.unit})"]),
        st.builds("COUNT({})".format, st.sampled_from((*source.numbers, *source.texts))),
        st.builds("SUM({})".format, _values(source)),
        st.builds("AVG({})".format, _values(source)),
        st.builds("VAR_POP({})".format, _values(source)),
        st.builds("COUNT_IF({})".format, _conditions(source)),
        st.builds("COUNT(DISTINCT {})".format, st.sampled_from((*source.numbers, *source.texts)) | _values(source)),
        st.builds("QUANTILE_CONT({}, {})".format, _values(source), st.sampled_from(["0.1", "0.5"])),
    )
    return call | st.builds("{} FILTER (WHERE {})".format, call, _conditions(source))


_SMALL = st.sampled_from(["0.01", "0.5", "1", "2", "3.3", "17", "400"])


@st.composite
def _options(draw: st.DrawFn, names: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    style = draw(st.sampled_from(["l2", "l2", "groups", "rows", "none"]))
    if style != "none":
        found["l2_bound"] = {name: draw(_SMALL) for name in names}
    if style == "groups":
        highs = {name: draw(_SMALL) for name in names}
        found["contribution_bounds_per_group"] = {
            n: [draw(st.sampled_from(["0", "-1", "-9"])), h] for n, h in highs.items()
        }
    if style == "rows":
        found["contribution_bounds_per_row"] = {n: [draw(st.sampled_from(["0", "-5"])), "2"] for n in names}
    if draw(st.booleans()):
        found["max_groups_contributed"] = draw(st.integers(1, 3))
    if draw(st.integers(0, 3)) == 0:
        found["group_selection_strategy"] = "THRESHOLD"
    return found


@st.composite
def questions(draw: st.DrawFn, sources: tuple[From, ...] = _FROMS) -> Asked:
    """A statement of the analyst's surface, mostly one that can be answered."""
    source = draw(st.sampled_from(sources))
    keys = draw(st.lists(st.sampled_from(source.keys), max_size=2, unique=True))
    calls = draw(st.lists(_aggregates(source), min_size=1, max_size=3))
    names = [f"m{n}x" for n in range(len(calls))]
    wheres = [draw(each) for each in (_conditions(source), st.sampled_from(source.conditions or ("TRUE",)))]
    wheres = draw(st.sampled_from([wheres[:1], wheres[1:], wheres] if source.conditions else [[], wheres[:1]]))
    shown = [f"{key} AS k{n}x" for n, key in enumerate(keys)] + [
        f"{c} AS {n}" for c, n in zip(calls, names, strict=True)
    ]
    sql = f"SELECT {', '.join(shown)} FROM {source.text}"
    sql += f" WHERE {' AND '.join(wheres)}" if wheres else ""
    sql += f" GROUP BY {', '.join(keys)}" if keys else ""
    sql += draw(st.sampled_from(["", "", f" ORDER BY COUNT(DISTINCT {source.unit}) DESC LIMIT 1"]))
    return Asked(sql, draw(_options(names)))
