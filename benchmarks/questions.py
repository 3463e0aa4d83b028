"""What is asked, of Kvitto and of plain DuckDB, in the same words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

EPSILON: Final = "1"
JOINED: Final = "purchases JOIN products USING (product_id)"


@dataclass(frozen=True, slots=True)
class Question:
    """One statement; `target` is the most that Kvitto may take, as a multiple of plain DuckDB's time on 10M lines."""

    name: str
    title: str
    keys: tuple[str, ...]
    aggregate: str
    source: str
    target: float = math.inf
    scale: int = 1  # of the stored numbers: cents are hundredths
    contribution: str | None = None  # what a unit adds to a group; None where the error has no closed form
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def sql(self) -> str:
        keys = ", ".join(self.keys)
        return f"SELECT {keys}, {self.aggregate} AS answer FROM {self.source} GROUP BY {keys}"

    @property
    def contributions_sql(self) -> str:
        """Rows (unit, number of the group, what the unit adds to it) on the plain file's tables."""
        keys = ", ".join(self.keys)
        same = " AND ".join(f"added.{key} IS NOT DISTINCT FROM numbered.{key}" for key in self.keys)
        return (
            f"WITH added AS (SELECT household_id, {keys}, {self.contribution} AS value FROM {self.source} "
            f"GROUP BY household_id, {keys}), "
            f"numbered AS (SELECT *, row_number() OVER () - 1 AS number FROM (SELECT DISTINCT {keys} FROM added)) "
            f"SELECT household_id AS units, number AS groups, CAST(value AS DOUBLE) / {self.scale} AS values "
            f"FROM added JOIN numbered ON {same}"
        )


QUESTIONS: Final = (
    Question("Q1", "lines by department", ("department",), "COUNT(*)", JOINED, 6.0, 1, "COUNT(*)"),
    Question("Q2", "spend by category", ("product_category",), "SUM(amount)", JOINED, 6.0, 100, "SUM(amount)"),
    Question(
        "Q3",
        "households by week and department",
        ("week", "department"),
        "COUNT(DISTINCT household_id)",
        JOINED,
        0.5,
        1,
        "1",
    ),
    Question(
        "Q4",
        "lines by product, private keys",
        ("product_id",),
        "COUNT(*)",
        "purchases",
        6.0,
        options={"group_selection_strategy": "THRESHOLD", "delta": "2e-7"},
    ),
    Question("Q5", "mean amount by store", ("store_id",), "AVG(amount)", "purchases", 6.0, 100),
)

DEPARTMENT_SPEND: Final = Question(
    "spend", "spend by department", ("department",), "SUM(amount)", JOINED, 6.0, 100, "SUM(amount)"
)
