"""What a statement's text says is read out of it once, with its place, and leaves plain SQL."""

from __future__ import annotations

from fractions import Fraction

import pytest
from sqlglot import exp

from queries.errors import QueryNotPrivateError
from queries.parse import DIALECT
from queries.stated import Bounds, bounds_of, clause_of, least_units, read, state_least_units


def _value(text: str) -> object:
    return read(f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(x = {text}) a FROM t", {}).options["x"].value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("1e-6", Fraction(1, 10**6)),
        ("0.1", Fraction(1, 10)),
        (".5", Fraction(1, 2)),
        ("-0.00", 0),
        ("NULL", None),
        ("TRUE", True),
        ("PUBLIC_GROUPS", "PUBLIC_GROUPS"),
        ("`household_id`", "household_id"),
        ("'text'", "text"),
    ],
)
def test_a_value_is_read_exactly(text: str, value: object) -> None:
    assert _value(text) == value
    assert isinstance(_value(text), type(value)) or value == 0


@pytest.mark.parametrize("text", ["1 + 1", "(1)", "(1, 2)", "- -1", "t.a", "*", "1e13", "1e-41", "CAST(1 AS INT)"])
def test_what_is_no_plain_value_is_refused_in_its_place(text: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refusal:
        read(f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(\n x = {text}) a FROM t", {})
    assert (refusal.value.code, refusal.value.line) == ("unknown-option", 2)


def test_a_value_may_be_a_parameter() -> None:
    sql = "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(x = @x) SUM(a, contribution_bounds_per_row => ($low, :high)) FROM t"
    question = read(sql, {"x": -1.5, "low": -2, "high": 0.5})
    call = question.tree.find(exp.Sum)
    assert question.options["x"].value == Fraction(-3, 2)
    assert call is not None
    assert bounds_of(call) == Bounds(per_row=(Fraction(-2), Fraction(1, 2)))


def test_what_is_left_is_plain() -> None:
    clause = "WITH DIFFERENTIAL_PRIVACY OPTIONS(epsilon = 1)"
    inner = f"SELECT {clause} SUM(a, l2_bound => 3) FILTER (WHERE b) AS s FROM t"
    question = read(f"WITH c AS ({inner}) SELECT WITH ANONYMIZATION s FROM c", {})
    plain = "WITH c AS (SELECT SUM(a) FILTER(WHERE b) AS s FROM t) SELECT s FROM c"
    assert question.tree.sql(dialect=DIALECT) == plain
    call = question.tree.find(exp.Sum)
    assert call is not None
    assert bounds_of(call) == Bounds(l2=Fraction(3))
    assert all(clause_of(select) for select in question.tree.find_all(exp.Select))
    assert question.places == {(1, 19), (1, 73)}  # the clause inside and the bound, but not the outermost clause


def test_the_least_number_of_units_belongs_to_its_select() -> None:
    question = read(
        "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 7) a FROM (SELECT b FROM t) AS u", {}
    )
    assert [least_units(select) for select in question.tree.find_all(exp.Select)] == [7, None]
    assert question.options == {}
    assert question.places == {(1, 8)}


def test_bounds_of_one_size_are_one_wherever_they_stand() -> None:
    question = read("SELECT SUM(a, l2_bound => 3), SUM(a, l2_bound => 3.0), SUM(a, l2_bound => 4) FROM t", {})
    one, same, other = (bounds_of(call) for call in question.tree.find_all(exp.Sum))
    assert one == same != other
    assert len(question.places) == 3


def test_a_minimum_of_the_request_holds_for_every_select_and_agrees_with_the_clauses() -> None:
    clause = "SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS(min_privacy_units_per_group = 7)"
    question = read(f"WITH t AS ({clause} a FROM b) SELECT a FROM t", {})
    state_least_units(question, 7)
    assert {least_units(select) for select in question.tree.find_all(exp.Select)} == {7}
    with pytest.raises(QueryNotPrivateError) as refused:
        state_least_units(read(f"WITH t AS ({clause} a FROM b) SELECT a FROM t", {}), 8)
    assert refused.value.code == "option-conflict"
