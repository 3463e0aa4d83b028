"""Refused statements: with the code, the place and, where one helps, the hint that they are documented with."""

from __future__ import annotations

import re

import pytest

from queries.errors import QueryNotPrivateError, SqlSyntaxError
from tests.queries.retailer import Statement, planned, statements

REFUSED = statements("refused")
LEAST_STATEMENTS = 200
LEAST_REWRITTEN = 60


def _refusal(statement: Statement) -> QueryNotPrivateError | SqlSyntaxError:
    with pytest.raises((QueryNotPrivateError, SqlSyntaxError)) as caught:
        planned(statement.sql, statement.params, statement.options)
    error = caught.value
    if not isinstance(error, QueryNotPrivateError | SqlSyntaxError):
        raise TypeError(error)
    return error


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement.name)
def test_a_statement_is_refused_with_its_code_place_and_hint(statement: Statement) -> None:
    error = _refusal(statement)
    if isinstance(error, SqlSyntaxError):
        said = f"syntax {error.line}:{error.column}"
    else:
        said = f"{error.code} {error.line}:{error.column}{' hint' if error.hint else ''}"
    assert said == statement.facts["expect"]


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement.name)
def test_a_statement_is_rewritten_where_a_rule_repairs_it(statement: Statement) -> None:
    error = _refusal(statement)
    rewrite = error.rewrite if isinstance(error, QueryNotPrivateError) else None
    assert rewrite == statement.facts.get("rewrite")
    assert rewrite is None or planned(rewrite, statement.params, statement.options).columns


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement.name)
def test_a_refusal_points_somewhere_and_says_what_helps(statement: Statement) -> None:
    error = _refusal(statement)
    assert error.line is not None
    assert error.column is not None
    assert error.line <= len(statement.sql.splitlines()) or not statement.sql
    assert isinstance(error, SqlSyntaxError) or error.hint


@pytest.mark.parametrize("statement", REFUSED, ids=lambda statement: statement.name)
def test_a_refusal_is_a_sentence_without_names_of_the_implementation(statement: Statement) -> None:
    error = _refusal(statement)
    texts = [str(error)] if isinstance(error, SqlSyntaxError) else [error.reason, error.hint or "Nothing."]
    for text in texts:
        assert not re.search(r"sqlglot|<class|Token|object at|Traceback|exp\.", text)
        assert 1 <= len(text) <= 600
        if isinstance(error, QueryNotPrivateError):
            assert text.endswith((".", "…", ")"))


def test_there_are_enough_refused_statements() -> None:
    assert len(REFUSED) >= LEAST_STATEMENTS, f"{len(REFUSED)} refused statements"
    assert len({(statement.sql, repr(statement.params), repr(statement.options)) for statement in REFUSED}) == len(
        REFUSED
    )


def test_there_are_enough_rewritten_statements() -> None:
    assert sum("rewrite" in statement.facts for statement in REFUSED) >= LEAST_REWRITTEN
