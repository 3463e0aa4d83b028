"""The SQL of leaving units out: which rows of a private table enter, decided by the engine in an anti-join.

`left_out_line_items` and `left_out_other_rows` are tables `(_unit, _first_day)` in memory: rows of such a unit enter
from that day on, or never ('infinity').
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from queries.exclusions import LeftOut, Sort
from queries.policy import Table

_EARLIEST = "DATE '0001-01-01'"


def name_left_out(connection: duckdb.DuckDBPyConnection, left_out: Sequence[LeftOut], units: str) -> None:
    """Creates both tables; `units` is a SELECT of `(_unit, pseudonym)` of all that are there."""
    columns = {
        "pseudonym": pa.array([each.pseudonym for each in left_out], pa.binary()),
        "sort": pa.array([each.sort for each in left_out], pa.string()),
        "first_day": pa.array([each.first_day for each in left_out], pa.date32()),
    }
    connection.register("exclusions", pa.table(columns))
    sorts: tuple[Sort, ...] = ("line items", "other rows")
    for sort in sorts:
        connection.execute(f"""
            CREATE TABLE {_relation(sort)} AS
            SELECT units._unit, coalesce(exclusions.first_day, 'infinity'::DATE) AS _first_day
            FROM ({units}) AS units JOIN exclusions USING (pseudonym) WHERE exclusions.sort = '{sort}'
        """)
    connection.unregister("exclusions")


def without_left_out(table: Table, unit: str, day: str | None) -> str:
    """What stands behind the rows in FROM; `unit` and `day` are expressions on one, None in a table without days.

    A row without a day counts as of the earliest. Names that begin with '_' are never those of a policy's columns. It
    is a join and no correlated NOT EXISTS: that would gather all pairs of a unit and a day first.
    """
    relation = _relation("line items" if table.line_items else "other rows")
    before = "TRUE" if day is None else f"coalesce({day}, {_EARLIEST}) < _first_day"
    return f"ANTI JOIN {relation} ON _unit = {unit} AND {before}"


def is_named(unit: str) -> str:
    """The condition that something was left out of this unit's rows."""
    named = " UNION ALL ".join(f"SELECT _unit FROM {_relation(sort)}" for sort in ("line items", "other rows"))
    return f"{unit} IN ({named})"


def _relation(sort: str) -> str:
    return f"left_out_{sort.replace(' ', '_')}"
