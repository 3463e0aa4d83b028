"""A few lines of SQL cannot stand for an exponential amount of work: they are refused soon, and by a refusal."""

from __future__ import annotations

import time

import pytest

from queries.errors import QueryNotPrivateError, SqlSyntaxError
from tests.queries.retailer import planned

LEVELS = 40
MOST_CPU_SECONDS = 10.0  # of some 2**40 steps


def _chain(first: str, step: str, last: str) -> str:
    """CTEs c0, c1, …, each made from the one before."""
    ctes = [f"c0 AS ({first})", *(f"c{i} AS ({step.replace('@', f'c{i - 1}')})" for i in range(1, LEVELS))]
    return f"WITH {', '.join(ctes)} {last.replace('@', f'c{LEVELS - 1}')}"


def _aliases(first: str, step: str, rest: str) -> str:
    """Columns a0, a1, …, each made from the one before."""
    columns = [f"{first} AS a0", *(f"{step.replace('@', f'a{i - 1}')} AS a{i}" for i in range(1, LEVELS))]
    return f"SELECT {', '.join(columns)} {rest}"


LINES = "SELECT pieces AS x, household_id FROM lines"
RELEASED = "SELECT pieces AS x, COUNT(*) AS n FROM lines GROUP BY pieces"
TOO_MUCH = {
    "an alias twice in the next": _aliases(
        "pieces", "@ + @", ", COUNT(*) AS n FROM lines WHERE a39 > 1 GROUP BY pieces"
    ),
    "a condition twice in the next": _aliases(
        "pieces > 1", "(@ AND @)", ", COUNT(*) AS n FROM lines WHERE a39 GROUP BY ALL"
    ),
    "a measure twice in the next": _aliases("COUNT(*)", "@ + @", "FROM lines"),
    "a column twice in the next": _chain(LINES, "SELECT x + x AS x FROM @", "SELECT COUNT(*) AS n FROM @ WHERE x > 1"),
    "a private CTE twice in the next": _chain(
        LINES, "SELECT a.x, a.household_id FROM @ a JOIN @ b USING (household_id)", "SELECT COUNT(*) AS n FROM @"
    ),
    "a private CTE left joined twice": _chain(
        LINES, "SELECT a.x, a.household_id FROM @ a LEFT JOIN @ b USING (household_id)", "SELECT COUNT(*) AS n FROM @"
    ),
    "a released CTE twice in the next": _chain(
        RELEASED, "SELECT a.x FROM @ a JOIN @ b ON a.x = b.x", "SELECT * FROM @"
    ),
    "a public CTE twice in the next": _chain(
        "SELECT store_id AS x FROM stores", "SELECT a.x FROM @ a JOIN @ b ON a.x = b.x", "SELECT * FROM @"
    ),
    "a union of a CTE with itself": _chain(RELEASED, "SELECT * FROM @ UNION ALL SELECT * FROM @", "SELECT * FROM @"),
    "a long sum": "SELECT COUNT(*) AS n FROM lines WHERE pieces" + " + 1" * 900 + " > 0",
    "a long sum of measures": "SELECT COUNT(*)" + " + COUNT(*)" * 900 + " AS n FROM lines",
    "a long public sum": "SELECT product_id" + " + 1" * 900 + " AS n FROM products",
    "LEAST in LEAST": "SELECT COUNT(*) AS n FROM lines WHERE " + "LEAST(" * 20 + "pieces" + ", 1)" * 20 + " > 0",
}


@pytest.mark.parametrize("sql", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_doubles_is_refused_before_it_has_grown(sql: str) -> None:
    started = time.process_time()
    with pytest.raises((QueryNotPrivateError, SqlSyntaxError)) as refusal:
        planned(sql)
    assert time.process_time() - started < MOST_CPU_SECONDS
    if isinstance(refusal.value, QueryNotPrivateError):
        assert refusal.value.code == "too-complex"


FAIR = {
    "a long conjunction": "SELECT COUNT(*) AS n FROM lines WHERE " + " AND ".join(f"pieces <> {i}" for i in range(400)),
    "a long disjunction": "SELECT COUNT(*) AS n FROM lines WHERE " + " OR ".join(f"pieces = {i}" for i in range(400)),
    "a scalar subquery twice in the next": _chain(
        "SELECT COUNT(*) AS x FROM lines",
        "SELECT COUNT(*) + (SELECT x FROM @) + (SELECT x FROM @) AS x FROM lines",
        "SELECT * FROM @",
    ),
    "a chain of CTEs": _chain(LINES, "SELECT x FROM @", "SELECT COUNT(*) AS n FROM @"),
    "CASE in CASE": "SELECT COUNT(*) AS n FROM lines WHERE "
    + "CASE WHEN pieces > 0 THEN " * 40
    + "pieces"
    + " ELSE 1 END" * 40
    + " > 0",
    "ten aliases": "SELECT pieces AS a0, "
    + ", ".join(f"a{i - 1} + 1 AS a{i}" for i in range(1, 10))
    + ", COUNT(*) AS n FROM lines GROUP BY a0, pieces",
}


@pytest.mark.parametrize("sql", FAIR.values(), ids=FAIR)
def test_what_is_only_long_is_planned(sql: str) -> None:
    started = time.process_time()
    assert planned(sql).nodes
    assert time.process_time() - started < MOST_CPU_SECONDS
