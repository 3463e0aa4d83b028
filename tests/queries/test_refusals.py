"""Every code of a refusal is explained, and its example gets it."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from pathlib import Path

import pytest

from queries.errors import QueryNotPrivateError
from queries.options import options_of
from queries.plan import Axis
from queries.planned import QueryPlan
from queries.planner import plan, price
from queries.policy import load_policy
from queries.refusals import REFUSALS, Refusal, page
from queries.schema import Schema
from queries.targets import Target, rho_for
from service.demo import demo_policy
from tests.architecture.source_tree import ROOT, modules, name_of, parse

_SCHEMA = Schema(load_policy(demo_policy()))
_WITH_BLOCKS = Schema(load_policy(f"{demo_policy()}blocks: {{period: month, columns: {{purchases: day}}}}\n"))
_RAISING = frozenset({"refusal", "QueryNotPrivateError"})
# These two are found before a statement is looked at: tests/architecture/test_docs_examples.py asks them.
_OF_THE_SERVICE = frozenset({"unknown-dataset", "unknown-purpose"})
_LEAST_INSTEAD = 5
_KEYS = 500  # of every axis: only products of axes are too many


def codes(tree: ast.Module) -> set[str]:
    """The codes that a module refuses with, whether written in the call or put into a variable before."""
    own = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in {"queries.parse", "queries.errors"}
        for name in (alias.name for alias in node.names)
    }
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if not _RAISING & (own | defined):
        return set()
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RAISING & (own | defined)
    ]
    return {code for call in calls if call.args for code in _written(call.args[0], tree)}


def _written(code: ast.expr, tree: ast.Module) -> set[str]:
    if not isinstance(code, ast.Name):
        return _texts(code)
    values = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == code.id for t in node.targets)
    ]
    return {text for value in values for text in _texts(value)}


def _texts(code: ast.expr) -> set[str]:
    """The texts that an expression may be; the condition of a choice is none of them."""
    if isinstance(code, ast.IfExp):
        return _texts(code.body) | _texts(code.orelse)
    return {code.value} if isinstance(code, ast.Constant) and isinstance(code.value, str) else set()


def _used() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in (*modules("queries"), *modules("service")):
        if not _refuses_policies(path):
            found |= dict.fromkeys(codes(parse(path)), name_of(path))
    return found


def _refuses_policies(path: Path) -> bool:
    return path.stem.startswith("policy")


def _no_sizes(_: Axis) -> int:
    return _KEYS


def test_every_code_in_the_program_is_explained() -> None:
    assert {code: place for code, place in _used().items() if code not in REFUSALS} == {}


def test_every_code_that_is_explained_is_in_the_program() -> None:
    assert REFUSALS.keys() - _used().keys() == set()


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_an_example_gets_its_code(refusal: Refusal) -> None:
    if refusal.code in _OF_THE_SERVICE:
        assert refusal.members
        return
    schema = _WITH_BLOCKS if refusal.code == "unit-spans-blocks" else _SCHEMA
    params, options = (dict(refusal.members.get(name, {})) for name in ("params", "options"))  # type: ignore[call-overload]  # Mappings: written so.
    rho_nano = price(_SCHEMA, None, None, None)

    def plan_at(nano: int) -> QueryPlan:
        return plan(refusal.sql, params, schema, nano, options_of(options), _no_sizes)

    def planned() -> QueryPlan:
        wanted = "target" in refusal.members
        return plan_at(rho_for(Target(Fraction(1)), plan_at, schema, None) if wanted else rho_nano)

    with pytest.raises(QueryNotPrivateError) as raised:
        planned()
    assert raised.value.code == refusal.code
    assert raised.value.rewrite == refusal.rewrite


STATEMENTS = [
    sql for refusal in REFUSALS.values() for sql in re.findall(r"`(SELECT [^`]+ FROM [^`]+)`", refusal.instead)
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_statement_that_is_named_instead_is_planned(sql: str) -> None:
    plan(sql, {}, _SCHEMA, price(_SCHEMA, None, None, None), options_of({}), _no_sizes)


def test_there_are_statements_to_write_instead() -> None:
    assert len(STATEMENTS) >= _LEAST_INSTEAD


def test_the_page_is_what_the_program_makes() -> None:
    assert (ROOT / "docs" / "refusals.md").read_text(encoding="utf-8") == page(), "make refusals"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from queries.parse import refusal\nraise refusal('a', 'b')", {"a"}),
        ("from queries.errors import QueryNotPrivateError\nraise QueryNotPrivateError('a', 'b')", {"a"}),
        ("from queries.parse import refusal\nc = 'a' if x == 'no' else 'b'\nraise refusal(c, 'text')", {"a", "b"}),
        ("from queries.parse import refusal\nraise refusal('a' if x else 'b', 'text')", {"a", "b"}),
        ("def refusal(code): ...\nraise refusal('a')", {"a"}),
        ("from elsewhere import refusal\nraise refusal('a')", set()),
    ],
)
def test_codes_are_found_however_they_are_written(text: str, expected: set[str]) -> None:
    assert codes(ast.parse(text)) == expected
