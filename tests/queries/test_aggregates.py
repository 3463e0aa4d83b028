"""Aggregate calls as measures: what is counted, what is summed, and which of them are one."""

from __future__ import annotations

import pytest

from queries.aggregates import Asked, Node
from queries.errors import QueryNotPrivateError
from queries.function_names import Function
from queries.parse import parse
from queries.plan import BOOLEAN, INTEGER, Call, Column, Kind, Literal, MeasureKind, Type
from queries.relations import check
from tests.queries.retailer import SCHEMA

CENTS = Type(Kind.DECIMAL, 2)
PIECES, AMOUNT = Column(0, "pieces", INTEGER), Column(0, "amount", CENTS)
TICKET = Column(0, "ticket", INTEGER)
MANY = Call(Function.LESS_EQUAL, (Literal(3, INTEGER), PIECES), BOOLEAN)
WITH_TICKET = Call(Function.NOT, (Call(Function.IS_NULL, (TICKET,), BOOLEAN),), BOOLEAN)


def _node(select: str, from_: str = "lines") -> Node:
    (node,) = check(parse(f"SELECT {select} FROM {from_}", {}), SCHEMA).nodes
    return node


def _both(one: Call, other: Call) -> Call:
    return Call(Function.AND, tuple(sorted((one, other), key=repr)), BOOLEAN)


ROWS = Asked(MeasureKind.ROWS, None)
MEASURES: dict[str, list[Asked]] = {
    "COUNT(*)": [ROWS],
    "COUNT()": [ROWS],
    "COUNT(1)": [ROWS],
    "COUNT(pieces)": [ROWS],
    "COUNT(household_id)": [ROWS],
    "SUM(1)": [ROWS],
    "COUNT(ticket)": [Asked(MeasureKind.ROWS, WITH_TICKET)],
    "COUNT(NULL)": [Asked(MeasureKind.ROWS, Literal(value=False, type=BOOLEAN))],
    "COUNT_IF(pieces > 2)": [Asked(MeasureKind.ROWS, MANY)],
    "COUNT(*) FILTER (WHERE pieces > 2)": [Asked(MeasureKind.ROWS, MANY)],
    "COUNT(ticket) FILTER (WHERE pieces > 2)": [Asked(MeasureKind.ROWS, _both(MANY, WITH_TICKET))],
    "SUM(CASE WHEN pieces > 2 THEN 1 ELSE 0 END)": [Asked(MeasureKind.ROWS, MANY)],
    "SUM(CASE WHEN pieces > 2 THEN 1 END)": [Asked(MeasureKind.ROWS, MANY)],
    "COUNT(DISTINCT household_id)": [Asked(MeasureKind.UNITS, None)],
    "COUNT(DISTINCT household_id) FILTER (WHERE pieces > 2)": [Asked(MeasureKind.UNITS, MANY)],
    "SUM(amount)": [Asked(MeasureKind.SUM, AMOUNT, 2)],
    "SUM(amount) FILTER (WHERE pieces > 2)": [
        Asked(MeasureKind.SUM, Call(Function.CASE, (MANY, AMOUNT, Literal(0, CENTS)), CENTS), 2)
    ],
    "AVG(amount)": [Asked(MeasureKind.SUM, AMOUNT, 2), ROWS],
    "AVG(ticket)": [Asked(MeasureKind.SUM, TICKET), Asked(MeasureKind.ROWS, WITH_TICKET)],
}


@pytest.mark.parametrize(("call", "measures"), MEASURES.items())
def test_a_call_asks_for_its_measures(call: str, measures: list[Asked]) -> None:
    assert _node(f"{call} AS x").measures == measures


@pytest.mark.parametrize(
    "call", ["SUM(CASE WHEN pieces > 2 THEN 2 ELSE 0 END)", "SUM(CASE WHEN pieces > 2 THEN 1 ELSE 3 END)"]
)
def test_a_sum_of_other_numbers_than_one_and_zero_is_no_count(call: str) -> None:
    assert [measure.kind for measure in _node(f"{call} AS x").measures] == [MeasureKind.SUM]


def test_what_is_asked_twice_is_measured_once() -> None:
    node = _node("COUNT(*) AS a, SUM(1) AS b, AVG(amount) AS c, SUM(amount) / COUNT(*) AS d")
    assert node.measures == [ROWS, Asked(MeasureKind.SUM, AMOUNT, 2)]
    assert node.aliases == {0: {"a", "b", "c", "d"}, 1: {"c", "d"}}


def test_the_parts_of_a_mean_are_linked() -> None:
    node = _node("COUNT(*) AS n, AVG(amount) AS a, AVG(ticket) AS t")
    assert {tuple(node.measures[number].kind for number in pair) for pair in node.linked} == {
        (MeasureKind.SUM, MeasureKind.ROWS)
    }
    assert len(node.linked) == 2


def test_a_column_that_is_never_null_may_be_so_after_a_left_join() -> None:
    (measure,) = _node("COUNT(p.name) AS n", "lines l LEFT JOIN products p ON l.product_id = p.product_id").measures
    assert measure != ROWS


def test_a_unit_that_may_be_null_is_not_counted_as_if_it_were_there() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        _node("COUNT(c.household_id) AS n", "lines l LEFT JOIN customers c ON l.household_id = c.household_id")
    assert refused.value.code == "unit-in-expression"


def test_the_unit_of_a_left_join_is_counted_where_it_is_there() -> None:
    assert _node("COUNT(DISTINCT l.household_id) AS n", "lines l LEFT JOIN products p USING (product_id)").measures == [
        Asked(MeasureKind.UNITS, None)
    ]
