"""Integer keys of private rows by arithmetic and one look into an array, where the engine would join.

A join with an axis costs as much as all the rest of a query, and delivers its rows out of order. So an axis of
integers that lie close together becomes a series without gaps, whose ids the engine computes as it scans;
`Dense.group` then turns ids of the series into those of the axis. All of it is decided from public tables alone, and
a unit's rows stay its own: nothing that privacy rests on changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from queries.plan import INTEGER, Aggregation, Column, Key, PublicKeys, SeriesAxis, TableAxis, columns_of

MOST_IDS = 1 << 20  # 4 MiB of groups, which the processor's cache still holds

Groups = NDArray[np.int32]


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
        members = _series(aggregation, key, axis)
        keys.append(key if members is None else Key(key.expressions, members[0]))
        places = np.arange(axis.num_rows) if members is None else members[1]
        if len(group) * len(places) > MOST_IDS:
            return None
        known = (group[:, None] >= 0) & (places >= 0)
        group = np.where(known, group[:, None] * axis.num_rows + places, -1).ravel()
    if tuple(keys) == aggregation.keys.keys:
        return None
    instead = replace(aggregation, keys=PublicKeys(tuple(keys)))
    if np.array_equal(group, np.arange(len(group))):
        return Dense(instead, None)
    return Dense(instead, np.append(group, -1).astype(np.int32))


def _series(aggregation: Aggregation, key: Key, axis: pa.Table) -> tuple[SeriesAxis, NDArray[np.int64]] | None:
    """The series that spans the axis, and for each of its ids the place on the axis or -1."""
    sources = {column.source for expression in key.expressions for column in columns_of(expression)}
    private = all(aggregation.source.sources[source].private for source in sources)
    if not (private and isinstance(key.axis, TableAxis) and [e.type for e in key.expressions] == [INTEGER]):
        return None
    column = axis.column(0)
    if not pa.types.is_integer(column.type) or column.null_count == len(column):
        return None
    extremes = pc.min_max(column).as_py()
    low, high, with_null = extremes["min"], extremes["max"], column.null_count > 0
    if high - low >= MOST_IDS:
        return None
    ids = pc.fill_null(pc.subtract(column.cast(pa.int64()), low - with_null), 0).to_numpy()  # NULL has the first id
    places = np.full(high - low + 1 + with_null, -1, np.int64)
    places[ids] = np.arange(len(ids))
    return SeriesAxis(low, high, Column(0, "v", INTEGER), with_null=with_null), places
