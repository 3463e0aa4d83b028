"""An engine that gives the same exact sums to whatever is asked: what is tested is what becomes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from queries.engine import ExactSums, LostOf, Request, SumsOf, Vector
from queries.plan import Aggregation


@dataclass
class FixedEngine:
    """Gives `sums`, a vector a measure of all blocks, `times` over; `asked` are the aggregations it was asked for."""

    sums: Sequence[Vector]
    keys: pa.Table
    times: int = 1
    asked: list[Aggregation] = field(default_factory=list)

    @classmethod
    def of(cls, sums: ExactSums, times: int = 1) -> "FixedEngine":
        return cls(sums.sums, sums.keys, times)

    @contextmanager
    def contributions(self, aggregation: Aggregation) -> Iterator["FixedContributions"]:
        self.asked.append(aggregation)
        keys = pa.concat_tables([self.keys] * self.times) if self.keys.num_columns else self.keys
        if self.times > 1 and not keys.num_columns:
            keys = pa.table({"draw": np.arange(self.times)})
        yield FixedContributions(aggregation, [np.tile(vector, self.times) for vector in self.sums], keys)


class FixedContributions:
    """The sums of the blocks, whatever bounds are asked for; nothing is ever lost, and norms are not known."""

    def __init__(self, aggregation: Aggregation, sums: Sequence[Vector], keys: pa.Table) -> None:
        self.keys = keys
        self._widths = [len(block.measures) for block in aggregation.all_blocks]
        self._sums = list(sums)

    def only(self, groups: Vector) -> None:
        self.keys = self.keys.take(pa.array(groups))
        self._sums = [vector[groups] for vector in self._sums]

    def exact(self, *requests: Request) -> list[tuple[Vector, ...]]:
        return [self._of(request) for request in requests]

    def _of(self, request: Request) -> tuple[Vector, ...]:
        if isinstance(request, LostOf):
            return (np.zeros(len(request.caps), np.int64),)
        if not isinstance(request, SumsOf):
            raise NotImplementedError
        first = sum(self._widths[: request.block])
        return tuple(self._sums[first : first + self._widths[request.block]])
