"""SmartNoise SQL on DuckDB in a process and an environment of its own; imports nothing of this project.

`python -m benchmarks.peers.smartnoise_process LINES.parquet`, one JSON line each way. SmartNoise takes a fixed number
of a unit's rows at random and clamps each: so it is asked over a view with one row for each household and group, where
rows are groups. ε is what it spends on each statistic, so it is divided by their number.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import duckdb
from snsql import Privacy, from_connection

_SUMS = {"lines": ("lines",), "products": ("lines",), "spend": ("spend",), "mean": ("spend", "lines")}


class Cursor:
    """What SmartNoise's reader for PostgreSQL uses of a cursor; DuckDB's own can't be iterated over."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.description: Any = None

    def execute(self, sql: str) -> None:
        result = self._connection.execute(sql)
        self.description, self._rows = result.description, result.fetchall()

    def __iter__(self) -> Any:
        return iter(self._rows)


class Connection:
    """What it uses of a connection; there are no transactions to end."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def cursor(self) -> Cursor:
        return Cursor(self._connection)

    def commit(self) -> None: ...

    def rollback(self) -> None: ...


def main(lines: str) -> None:
    """Answer requests until the input ends."""
    warnings.simplefilter("ignore")
    replies, sys.stdout = sys.stdout, sys.stderr
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("CREATE SCHEMA shop")
        connection.execute(f"CREATE TABLE lines AS FROM read_parquet('{lines}')")
        for line in sys.stdin:
            try:
                reply = answer(connection, json.loads(line))
            except Exception as error:  # noqa: BLE001  # what it cannot do is a result too
                reply = {"cannot": f"{type(error).__name__}: {error}"[:400]}
            print(json.dumps(reply), file=replies, flush=True)


def answer(connection: duckdb.DuckDBPyConnection, asked: dict[str, Any]) -> dict[str, Any]:
    """The seconds and the rows (keys…, answer) of one question."""
    keys, kind = asked["keys"], asked["kind"]
    names = ", ".join(keys)
    connection.execute(
        f"CREATE OR REPLACE VIEW shop.groups AS SELECT household_id, {names}, count(*) AS lines, "
        f"CAST(sum(cents) AS DOUBLE) / 100 AS spend, CAST(median(cents) AS DOUBLE) / 100 AS middle "
        f"FROM lines GROUP BY household_id, {names}"
    )
    statistics = {"households": ["COUNT(DISTINCT household_id) AS households"], "median": ["MEDIAN(middle) AS middle"]}
    selected = statistics.get(kind) or [f"SUM({name}) AS total_{name}" for name in _SUMS[kind]]
    private_keys = kind == "products"
    share = asked["epsilon"] / (len(selected) + private_keys)
    sql = f"SELECT {names}, {', '.join(selected)} FROM shop.groups GROUP BY {names}"
    started = time.perf_counter()
    reader = from_connection(
        Connection(connection),
        privacy=Privacy(epsilon=share, delta=asked["delta"]),
        metadata=metadata(asked, private_keys),
        engine="postgres",
    )
    rows = [list(row) for row in reader.execute(sql)[1:]]
    if kind == "mean":
        rows = [[*row[:-2], row[-2] / row[-1]] for row in rows if row[-1] > 0]
    return {"seconds": time.perf_counter() - started, "rows": rows}


def metadata(asked: dict[str, Any], private_keys: bool) -> dict[str, Any]:
    """The view as SmartNoise wants it described: rows a unit, and the range of each number."""
    bounds = dict(zip(_SUMS.get(asked["kind"], ()), asked["bounds"], strict=False))
    table = {
        "max_ids": asked["groups"],
        "sample_max_ids": True,
        "censor_dims": private_keys,
        "clamp_counts": False,
        "household_id": {"type": "int", "private_id": True},
        "lines": {"type": "int", "lower": 0, "upper": max(1, round(bounds.get("lines", 1)))},
        "spend": {"type": "float", "lower": 0.0, "upper": bounds.get("spend", 1.0)},
        "middle": {"type": "float", "lower": 0.0, "upper": 1000.0},
    }
    types = {"department": "string", "product_category": "string"}
    table |= {key: {"type": types.get(key, "int")} for key in asked["keys"]}
    return {"": {"shop": {"groups": table}}}


if __name__ == "__main__":
    main(sys.argv[1])
