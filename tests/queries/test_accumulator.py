"""Rows that threads delivered in pieces are put in order without sorting them, and sorted where that is not enough."""

import numpy as np
import pytest

from queries.accumulator import Accumulator, Kept, Rows
from queries.plan import INTEGER, Aggregation, Block, Column, Measure, MeasureKind, PublicKeys, Relation, Scan
from queries.unit_order import find_runs
from tests.queries.accumulation import summing, sums_of

GROUPS, UNITS, ROWS = 11, 300, 12_000
_LINES = Relation(Scan("lines", private=True, columns=(("n", INTEGER),)))
_MEASURES = (Measure(MeasureKind.SUM, Column(0, "n", INTEGER), 90), Measure(MeasureKind.ROWS, None, 20))
AGGREGATION = Aggregation(_LINES, PublicKeys(), (Block(_MEASURES, 10**9, max_groups=7),), UNITS)


def _rows(order: np.typing.NDArray[np.int64]) -> Rows:
    generator = np.random.default_rng(7)
    units = np.sort(generator.integers(0, UNITS, ROWS))
    rows = Rows(1)
    rows.reserve(ROWS)
    rows.count = ROWS
    rows.units[:] = units[order]
    rows.groups[:] = generator.integers(-1, GROUPS, ROWS)[order]
    rows.values[0] = generator.integers(-20, 20, ROWS)[order]
    return rows


def _summed(rows: Rows) -> list[list[int]]:
    accumulator = summing(AGGREGATION, (0, -1), GROUPS, None)
    accumulator.add(rows, 0, UNITS)
    accumulator.close()
    found: list[list[int]] = sums_of(accumulator).tolist()
    return found


def _turns(pieces: int, threads: int) -> np.typing.NDArray[np.int64]:
    """Threads read consecutive stretches of the table and deliver a piece each in turn."""
    stretches = [np.array_split(stretch, pieces) for stretch in np.array_split(np.arange(ROWS), threads)]
    return np.concatenate([piece for turn in zip(*stretches, strict=True) for piece in turn])


ORDERS = {
    "as stored": np.arange(ROWS),
    "two threads in turn": _turns(20, 2),
    "three threads in turn": _turns(37, 3),
    "pieces of any order": np.concatenate(np.random.default_rng(3).permutation(np.arange(ROWS).reshape(100, -1))),
    "pieces that interleave units": np.concatenate([np.arange(ROWS)[start::40] for start in range(40)]),
    "backwards": np.arange(ROWS)[::-1],
    "shuffled": np.random.default_rng(5).permutation(ROWS),
}


@pytest.mark.parametrize("name", ORDERS)
def test_any_order_gives_the_sums_of_the_stored_order(name: str) -> None:
    assert _summed(_rows(ORDERS[name])) == _summed(_rows(ORDERS["as stored"]))


@pytest.mark.parametrize("name", ["two threads in turn", "three threads in turn", "pieces of any order"])
def test_pieces_that_keep_units_together_are_not_sorted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("sorted")

    monkeypatch.setattr(Accumulator, "_reordered", refuse)
    assert any(_summed(_rows(ORDERS[name]))[0])


def test_rows_in_order_are_one_run() -> None:
    rows = _rows(ORDERS["as stored"])
    assert find_runs(rows.units, rows.groups, ROWS, 0, UNITS, GROUPS).tolist() == [[0, ROWS]]


def test_a_run_ends_where_units_step_back_or_leap() -> None:
    units = np.array([1, 1, 2, 7, 8, 3, 3, 4], np.int32)
    runs = find_runs(units, np.zeros(8, np.int32), 8, 0, 9, 1)
    assert runs.tolist() == [[0, 3], [3, 5], [5, 8]]


def test_sums_that_were_dropped_once_are_not_taken_for_all() -> None:
    kept = Kept(10)
    assert kept.take(4)
    assert not kept.take(20)
    assert not kept.take(-20)  # as if two threads had counted at once, and one of the counts were lost
    assert not kept.fits
