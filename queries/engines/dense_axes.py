"""Integer keys of private rows by arithmetic and one look into an array, where the engine would join.

A join with an axis costs as much as all the rest of a query, and delivers its rows out of order. So an axis of
integers that lie close together becomes a series without gaps, whose ids the engine computes as it scans;
`Dense.group` then turns ids of the series into those of the axis. A row gets the same group either way, so nothing
that privacy rests on changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from queries.plan import (
    INTEGER,
    Aggregation,
    Column,
    Expression,
    Key,
    PublicKeys,
    SeriesAxis,
    TableAxis,
    columns_of,
)

MOST_IDS = 1 << 20  # 4 MiB of groups, which the processor's cache still holds

_LOWEST = -(1 << 63)  # one less, as NULL would have, is no 64-bit integer

Groups = NDArray[np.int32]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dense:
    """The aggregation to run instead; `group` gives the real group of its group ids, and -1 where there is none.

    The last entry of `group` is -1, so that the id -1 means none as well. Without `group` the ids are the groups.
    """

    aggregation: Aggregation
    group: Groups | None


def dense(aggregation: Aggregation, axes: list[pa.Table]) -> Dense | None:
    """The same question with series for axes; None where no axis is fit for it, or the ids would be too many."""
    if not isinstance(aggregation.keys, PublicKeys):
        return None
    keys: list[Key] = []
    group = np.zeros(1, np.int64)
    for key, axis in zip(aggregation.keys.keys, axes, strict=True):
        is_table = isinstance(key.axis, TableAxis) and len(key.expressions) == 1
        series = _series(aggregation, key.expressions[0], axis.column(0)) if is_table else None
        keys.append(key if series is None else series.key)
        places = np.arange(axis.num_rows)
        if series is not None:
            places = np.full(series.size, -1)
            places[series.ids] = np.arange(axis.num_rows)
        if len(group) * len(places) > MOST_IDS:
            return None
        known = (group[:, None] >= 0) & (places >= 0)
        group = np.where(known, group[:, None] * axis.num_rows + places, -1).ravel()
    return None if tuple(keys) == aggregation.keys.keys else _dense(aggregation, keys, group)


def dense_candidates(aggregation: Aggregation, candidates: pa.Table) -> Dense | None:
    """The same question with series instead of a list of candidates, one column a key; None as in `dense`.

    Its keys are public in form only: which of them are released is for the caller's own aggregation to say.
    """
    keys: list[Key] = []
    ids, size = np.zeros(candidates.num_rows, np.int64), 1
    for expression, column in zip(aggregation.keys.expressions, candidates.columns, strict=True):
        series = _series(aggregation, expression, column)
        if series is None or size * series.size > MOST_IDS:
            return None
        keys.append(series.key)
        ids, size = ids * series.size + series.ids, size * series.size
    group = np.full(size, -1)
    group[ids] = np.arange(len(ids))
    return _dense(aggregation, keys, group)


def _dense(aggregation: Aggregation, keys: list[Key], group: Places) -> Dense:
    instead = replace(aggregation, keys=PublicKeys(tuple(keys)))
    if np.array_equal(group, np.arange(len(group))):
        return Dense(instead, None)
    return Dense(instead, np.append(group, -1).astype(np.int32))


@dataclass(frozen=True, slots=True)
class _Series:
    """A key with a series for its axis; `ids` are those of the members that were given, of `size` in all."""

    key: Key
    ids: Places
    size: int


def _series(aggregation: Aggregation, expression: Expression, members: pa.ChunkedArray) -> _Series | None:
    sources = {column.source for column in columns_of(expression)}
    if expression.type != INTEGER or not all(aggregation.source.sources[source].private for source in sources):
        return None
    if not pa.types.is_integer(members.type) or members.null_count == len(members):
        return None
    extremes = pc.min_max(members).as_py()
    low, high, with_null = extremes["min"], extremes["max"], members.null_count > 0
    if high - low >= MOST_IDS or low <= _LOWEST:
        return None
    ids = pc.fill_null(pc.subtract(members.cast(pa.int64()), low - with_null), 0).to_numpy()  # NULL has the first id
    axis = SeriesAxis(low, high, Column(0, "v", INTEGER), with_null=with_null)
    return _Series(Key((expression,), axis), ids, high - low + 1 + with_null)
