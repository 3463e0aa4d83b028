"""What each household adds to each group, read from the plain file: what fixed bounds are tuned on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from benchmarks.accuracy.fixed_bounds import Contributions, Floats, Numbers
from benchmarks.accuracy.questions import Asked, Kind
from benchmarks.accuracy.scoring import Key, Truth
from benchmarks.questions import Question


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of receipts one by one: whose, in which group, and the amount in whole units; groups as in the truth."""

    units: Numbers
    groups: Numbers
    amounts: Floats
    group_count: int


def truth(plain_file: Path, asked: Asked) -> Truth:
    """The answer without privacy, in the answer's own unit."""
    with duckdb.connect(str(plain_file), read_only=True, config={"threads": 2}) as connection:
        rows = connection.execute(asked.truth_sql).fetchall()
    values: dict[Key, float] = {tuple(row[:-2]): float(row[-2]) / asked.question.scale for row in rows}
    return Truth(values, {tuple(row[:-2]): int(row[-1]) for row in rows})


def of_sums(plain_file: Path, question: Question, group_count: int) -> Contributions:
    """What each unit adds to each group of a question; groups without lines are counted, but nobody adds to them."""
    adding = replace(question, contribution=question.contribution or question.aggregate)
    found = _columns(plain_file, adding.contributions_sql)
    units, groups = (np.asarray(found[name], np.int64) for name in ("units", "groups"))
    return Contributions(units, groups, np.asarray(found["values"], np.float64), group_count)


def lines(plain_file: Path, asked: Asked) -> Lines:
    """All lines of a question's source."""
    (key,) = asked.question.keys
    found = _columns(
        plain_file,
        f"SELECT household_id AS units, dense_rank() OVER (ORDER BY {key}) - 1 AS groups, "
        f"CAST(amount AS DOUBLE) / {asked.question.scale} AS amounts FROM {asked.question.source}",
    )
    groups = np.asarray(found["groups"], np.int64)
    amounts = np.asarray(found["amounts"], np.float64)
    assert asked.kind in {Kind.MEAN, Kind.MEDIAN}
    return Lines(np.asarray(found["units"], np.int64), groups, amounts, int(groups.max()) + 1)


def _columns(plain_file: Path, sql: str) -> Mapping[str, object]:
    with duckdb.connect(str(plain_file), read_only=True, config={"threads": 2}) as connection:
        found: Mapping[str, object] = connection.execute(sql).fetchnumpy()
    return found
