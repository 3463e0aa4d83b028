"""The whole statement rewritten, where a rule can repair what is refused: the member `rewrite` of a refusal.

A rewrite is a function of the statement's text and the policy, like the refusal itself. It is made on a tree of its
own, parameters left as they are written, and shown only if the planner accepts it: `planner.py` plans it once. What it
says may be less or other than was asked; it is the nearest that is answered, as the hint says in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from queries.errors import QueryNotPrivateError
from queries.parse import DIALECT
from queries.rewrites import aggregates, joins, months, names, syntax, values
from queries.rewrites.place import Place
from queries.schema import Schema

TEXT_LIMIT = 2_000  # characters of a statement that is rewritten: a refusal comes quickly
# What only our own reader knows (`google_sql.py`): no tree of the dialect keeps it.
OTHER_FORMS = re.compile(
    r"differential_privacy|anonymization|=>|`|safe_divide|unnest|in [$]|@|(trunc|diff|add|sub)\(.*, *(iso)?[a-z]+\)",
    re.IGNORECASE,
)

Rule = Callable[[Place], exp.Expr | None]  # the repaired statement, or None where there is no repair

_RULES: Mapping[str, tuple[Rule, ...]] = {
    **names.RULES,
    **aggregates.RULES,
    **joins.RULES,
    **months.RULES,
    **values.RULES,
    **syntax.RULES,
}


def rewrite(sql: str, schema: Schema, error: QueryNotPrivateError) -> str | None:
    """The statement with what `error` points at repaired; None where no rule knows how. It may be refused in turn."""
    if len(sql) > TEXT_LIMIT or OTHER_FORMS.search(sql):
        return None
    for rule in _RULES.get(error.code, ()):
        try:
            tree = sqlglot.parse_one(sql, dialect=DIALECT)
        except (SqlglotError, RecursionError):
            return None
        repaired = rule(Place(tree, schema, error.line, error.column))
        if repaired is not None:
            return repaired.sql(dialect=DIALECT, comments=False)
    return None


__all__ = ["rewrite"]
