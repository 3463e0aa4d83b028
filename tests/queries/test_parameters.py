"""Parameters are values of their types, and nothing else is ever made of one."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.parameters import ITEMS_LIMIT, TYPES, literal, literals
from queries.parse import DIALECT, parse

PLACE = (3, 4)


def _typed(kind: str, value: object) -> str:
    return literal("p", {"type": kind, "value": value}, PLACE).sql(dialect=DIALECT)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("INT64", 5, "5"),
        ("integer", "-5", "-5"),
        ("BIGINT", str(-(2**63)), str(-(2**63))),
        ("INT64", Decimal(7), "7"),
        ("NUMERIC", "-1.50", "-1.50"),
        ("DECIMAL", Decimal("2.5"), "2.5"),
        ("FLOAT64", 0.5, "CAST(0.5 AS DOUBLE)"),
        ("DOUBLE", -1, "CAST(-1 AS DOUBLE)"),
        ("STRING", "it's", "'it''s'"),
        ("VARCHAR", "2017-01-01", "'2017-01-01'"),
        ("BOOL", True, "TRUE"),
        ("DATE", "2017-01-31", "CAST('2017-01-31' AS DATE)"),
        *((kind, None, "NULL") for kind in TYPES),
    ],
)
def test_a_value_is_a_literal_of_its_type(kind: str, value: object, text: str) -> None:
    assert _typed(kind, value) == text


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("INT64", 1.5),
        ("INT64", "1.5"),
        ("INT64", True),
        ("INT64", 2**63),
        ("INT64", "9" * 40),
        ("INT64", "\u0661"),
        ("NUMERIC", "1e5"),
        ("NUMERIC", "one"),
        ("NUMERIC", "NaN"),
        ("NUMERIC", True),
        ("NUMERIC", "9" * 31),
        ("FLOAT64", "0.5"),
        ("FLOAT64", float("nan")),
        ("FLOAT64", float("inf")),
        ("FLOAT64", 1e30),
        ("FLOAT64", Decimal("1e999999999")),
        ("FLOAT64", Decimal("1e-999999999")),
        ("STRING", 1),
        ("STRING", "a\0"),
        ("STRING", "a" * 1_001),
        ("BOOL", 1),
        ("BOOL", "true"),
        ("DATE", "2017-02-29"),
        ("DATE", "20170131"),
        ("DATE", "2017-01-31 "),
        ("DATE", "2017-01-31T00:00"),
        ("DATE", "2017-W05-2"),
        ("DATE", 20170131),
        ("DATE", "2017-01-31' OR 1 = 1 --"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused_in_its_place(kind: str, value: object) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        _typed(kind, value)
    assert refusal.value.code == "unknown-parameter"
    assert (refusal.value.line, refusal.value.column) == PLACE
    assert kind in refusal.value.reason


@pytest.mark.parametrize(
    "value",
    [{"type": "JSON", "value": 1}, {"type": 1, "value": 1}, {"type": "INT64"}, {"value": 1}, {}, b"a", object()],
)
def test_what_has_no_known_type_is_refused(value: object) -> None:
    for build in (literal, literals):
        with pytest.raises(QueryNotPrivateError) as refusal:
            build("p", value, PLACE)
        assert refusal.value.code == "unknown-parameter"


def test_a_list_has_the_type_of_each_of_its_values() -> None:
    days = literals("p", {"type": "DATE", "value": ["2017-01-31", None]}, PLACE)
    assert [day.sql(dialect=DIALECT) for day in days] == ["CAST('2017-01-31' AS DATE)", "NULL"]
    assert [value.sql() for value in literals("p", [1, "a", True, -2.5], PLACE)] == ["1", "'a'", "TRUE", "-2.5"]


@pytest.mark.parametrize("value", [[], [[1]], [1] * (ITEMS_LIMIT + 1), 1, "abc", None, [{"a": 1}]])
def test_what_is_no_list_of_values_is_no_list(value: object) -> None:
    with pytest.raises(QueryNotPrivateError):
        literals("p", value, PLACE)


def test_all_lists_of_a_statement_together_are_bounded() -> None:
    half = list(range(ITEMS_LIMIT // 2))
    sql = "SELECT a FROM t WHERE a IN $x AND b IN UNNEST(@x)"
    assert len(list(parse(sql, {"x": half}).find_all(exp.Literal))) == ITEMS_LIMIT
    with pytest.raises(QueryNotPrivateError) as refusal:
        parse(f"{sql} AND c IN $x", {"x": half})
    assert (refusal.value.code, refusal.value.column) == ("unknown-parameter", 60)


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(max_size=20))
ANY = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@given(ANY | st.builds(lambda kind, value: {"type": kind, "value": value}, st.sampled_from(TYPES), ANY))
def test_whatever_is_given_only_literals_are_made_of_it(value: object) -> None:
    for build in (literal, literals):
        try:
            found = build("p", value, PLACE)
        except QueryNotPrivateError:
            continue
        for node in found if isinstance(found, list) else [found]:
            inner = node.this if isinstance(node, exp.Cast) else node
            inner = inner.this if isinstance(inner, exp.Neg) else inner
            assert isinstance(inner, exp.Literal | exp.Boolean | exp.Null)
