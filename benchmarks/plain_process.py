"""Plain DuckDB in a process of its own: `python -m benchmarks.plain_process FILE THREADS`, one JSON line each way."""

from __future__ import annotations

import json
import sys
import time

import duckdb


def main(file: str, threads: int) -> None:
    """Answer `{"sql": …}` with the seconds that it took and the rows, if they are wanted, until the input ends."""
    with duckdb.connect(file, read_only=True, config={"threads": threads}) as connection:
        for line in sys.stdin:
            request = json.loads(line)
            started = time.perf_counter()
            rows = connection.execute(request["sql"]).fetchall()
            seconds = time.perf_counter() - started
            reply = {"seconds": seconds, "rows": [[_number(v) for v in row] for row in rows] if request["rows"] else []}
            print(json.dumps(reply), flush=True)


def _number(value: object) -> object:
    return value if isinstance(value, int | float | str | None) else str(value)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
