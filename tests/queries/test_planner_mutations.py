"""Parts of fixtures put together at random: whatever comes of it is planned or refused, and never a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from random import Random

import pytest
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from queries.errors import PriceError, QueryNotPrivateError, SqlSyntaxError
from queries.google_sql import Bounded, GoogleSQL, ListParameter, PrivacyClause
from queries.parse import DIALECT
from tests.queries.retailer import planned, statements

CASES = 1_500
_PARTS = (
    *(exp.Column, exp.Literal, exp.Func, exp.Binary, exp.Subquery, exp.Window, exp.Select, exp.Table, exp.Join),
    *(exp.Where, exp.Group, exp.Having, exp.Order, exp.Qualify, exp.In, exp.Tuple, exp.Star, exp.Distinct),
)
_CLAUSES = {"where": exp.Where, "group": exp.Group, "having": exp.Having, "qualify": exp.Qualify}


@cache
def _trees() -> tuple[exp.Expr, ...]:
    found = []
    for statement in (*statements("accepted"), *statements("refused")):
        try:
            tree = sqlglot.parse_one(statement.sql, dialect=GoogleSQL())
        except SqlglotError:
            continue  # a fixture of what cannot be read
        if tree.find(PrivacyClause, Bounded, ListParameter) is None:  # which cannot be written
            found.append(tree)
    return tuple(found)


@cache
def _parts() -> tuple[exp.Expr, ...]:
    return tuple(node for tree in _trees() for node in tree.walk() if isinstance(node, _PARTS))


@cache
def _by_kind() -> Mapping[type[exp.Expr], list[exp.Expr]]:
    found: dict[type[exp.Expr], list[exp.Expr]] = {}
    for node in _parts():
        found.setdefault(type(node), []).append(node)
    return found


def _mutated(random: Random) -> str:
    """A fixture in which some parts stand in the place of others, mostly of their own kind."""
    tree = random.choice(_trees()).copy()
    for _ in range(random.randint(1, 3)):
        places = [node for node in tree.walk() if node.parent is not None and isinstance(node, _PARTS)]
        if places:
            place = random.choice(places)
            place.replace(random.choice(_by_kind()[type(place)] if random.random() < 0.7 else _parts()).copy())
    select = tree.find(exp.Select)
    for name, kind in _CLAUSES.items():
        if select is not None and random.random() < 0.1:
            select.set(name, random.choice(_by_kind()[kind]).copy())
    return tree.sql(dialect=DIALECT)


@pytest.mark.parametrize("seed", range(5))
def test_mutated_statements_are_planned_or_refused(seed: int) -> None:
    random = Random(seed)
    accepted = refused = 0
    for _ in range(CASES // 5):
        sql = _mutated(random)
        try:
            planned(sql)
            accepted += 1
        except (QueryNotPrivateError, SqlSyntaxError, PriceError):
            refused += 1
        except Exception as error:
            raise AssertionError(sql) from error
    assert accepted > CASES // 200
    assert refused > CASES // 100
