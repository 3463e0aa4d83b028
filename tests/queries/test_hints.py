"""Hints say what is accepted, and messages call things as the analyst did."""

from __future__ import annotations

import re

import pytest
import sqlglot

from queries import hints
from queries.errors import QueryNotPrivateError
from queries.hints import called, hint
from queries.parse import parse
from tests.queries.retailer import Statement, planned, statements

REFUSED = statements("refused")
REPAIRED = [statement for statement in REFUSED if "instead" in statement.facts]
LEAST_REPAIRED = 80
TEXTS = {
    *hints._BY_NODE,
    *hints._OF_NAME.values(),
    *(text for _, text in hints._OF_CLAUSE.values() if text is not None),
}


def _hint(statement: Statement) -> str:
    with pytest.raises(QueryNotPrivateError) as refused:
        planned(statement.sql, statement.params, statement.options)
    return refused.value.hint or ""


def _functions(text: str) -> set[str]:
    return set(re.findall(r"\b[A-Z_]+(?=\()", text))


@pytest.mark.parametrize("statement", REPAIRED, ids=lambda statement: statement.name)
def test_what_is_to_be_written_instead_is_accepted(statement: Statement) -> None:
    assert planned(statement.facts["instead"], statement.params, statement.options).columns


@pytest.mark.parametrize("statement", REPAIRED, ids=lambda statement: statement.name)
def test_what_is_written_instead_is_what_the_hint_says(statement: Statement) -> None:
    said = _functions(_hint(statement))
    assert said == set() or said & _functions(statement.facts["instead"])


@pytest.mark.parametrize("text", sorted(TEXTS))
def test_every_hint_was_followed(text: str) -> None:
    pattern = re.compile(re.sub(r"\\\{[xy]\\\}", ".+", re.escape(text)))
    assert [statement.name for statement in REPAIRED if pattern.fullmatch(_hint(statement))]


def test_there_are_enough_repaired_statements() -> None:
    assert len(REPAIRED) >= LEAST_REPAIRED


NAMES = {
    "approx_quantiles(a, 4)": "APPROX_QUANTILES",
    "STRING_AGG(a, ',')": "STRING_AGG",
    "LIST(a)": "LIST",
    "ANY_VALUE(a)": "ANY_VALUE",
    "bool_or(a)": "BOOL_OR",
    "RANDOM()": "RANDOM",
    "TODAY()": "TODAY",
    "LOG10(a)": "LOG10",
    "LTRIM(a)": "LTRIM",
    "TRIM(LEADING FROM a)": "TRIM of one side",
    "REGEXP_MATCHES(a, 'x')": "REGEXP_MATCHES",
    "a ~ 'x'": "REGEXP_MATCHES",
    "a SIMILAR TO 'x'": "SIMILAR TO",
    "TRUNC(a)": "TRUNC",
    "UNNEST([1])": "UNNEST",
    "HASH(a)": "HASH",
    "NTILE(4) OVER (ORDER BY a)": "NTILE",
}


@pytest.mark.parametrize(("written", "name"), NAMES.items())
def test_a_refusal_calls_a_function_as_the_analyst_did(written: str, name: str) -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        parse(f"SELECT {written} FROM t", {})
    assert refused.value.reason.startswith(f"{name} ")


def test_a_name_is_cut_off_before_it_fills_the_answer() -> None:
    with pytest.raises(QueryNotPrivateError) as refused:
        parse(f"SELECT {'f' * 500}(a) FROM t", {})
    assert len(refused.value.reason) < 100


def test_a_hint_quotes_short_columns_only() -> None:
    long = sqlglot.parse_one(f"MAX({'c' * 100})")
    assert hint(sqlglot.parse_one("MAX(t.amount)")) == (
        "Extremes are single purchases. What few are above is QUANTILE_CONT(t.amount, 0.95)."
    )
    assert "QUANTILE_CONT(…, 0.95)" in (hint(long) or "")


def test_what_has_no_repair_has_no_hint() -> None:
    assert hint(sqlglot.parse_one("HASH(a)", dialect="duckdb")) is None
    assert called(sqlglot.parse_one("HASH(a)", dialect="duckdb")) == "HASH"
