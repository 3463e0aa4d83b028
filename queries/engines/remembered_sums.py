"""An engine that keeps the sums of its last questions, for simulations that ask the same again and again."""

from __future__ import annotations

from collections import OrderedDict

from queries.engine import Engine, ExactSums
from queries.plan import Aggregation

_MOST_BYTES = 192 << 20


class RememberedSums:
    """Gives what another engine gives, and reads its rows once for equal aggregations that follow each other.

    For simulations only: on private rows it would keep exact sums for longer than a release takes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: OrderedDict[Aggregation, ExactSums] = OrderedDict()

    def exact_sums(self, aggregation: Aggregation) -> ExactSums:
        known = self._known.pop(aggregation, None)
        found = self._engine.exact_sums(aggregation) if known is None else known
        self._known[aggregation] = found  # the last one now
        while sum(_bytes(each) for each in self._known.values()) > _MOST_BYTES:
            self._known.popitem(last=False)
        return ExactSums(tuple(vector.copy() for vector in found.sums), found.keys)  # a caller may write into its own


def _bytes(sums: ExactSums) -> int:
    return sum(vector.nbytes for vector in sums.sums) + int(sums.keys.nbytes)
