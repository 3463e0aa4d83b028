"""Sums by unit and group, and the walks over them that answer an engine's requests: arrays for the compiled kernel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from queries import kernel
from queries.engine import NORMS, LostOf, NormsOf, Request, SumsOf, Vector
from queries.kernel import Floats, Integers, Numbers, Words
from queries.plan import BOUND_ONE, VALUE_LIMIT, Aggregation, Measure, MeasureKind

_Number = TypeVar("_Number", np.int32, np.int64)
_KINDS = {MeasureKind.SUM: kernel.SUM, MeasureKind.ROWS: kernel.ROWS, MeasureKind.UNITS: kernel.UNITS}


@dataclass(frozen=True, slots=True)
class UnitSums:
    """The cells of some units, one unit after the other: unit i has those from `ends[i - 1]` to `ends[i]`.

    A cell is a group that a unit has rows in, with the unit's sum of each measure: cells × measures.
    """

    ends: Integers
    groups: Numbers
    sums: Integers

    @property
    def nbytes(self) -> int:
        return self.ends.nbytes + self.groups.nbytes + self.sums.nbytes

    def copy(self) -> UnitSums:
        """The same in memory of its own."""
        return UnitSums(self.ends.copy(), self.groups.copy(), self.sums.copy())

    def only(self, wanted: NDArray[np.bool_]) -> UnitSums:
        """The cells in the groups that are wanted, in memory of their own; a unit may have none."""
        return UnitSums(*kernel.only_groups(self.ends, self.groups, self.sums, wanted))


class Room:
    """Memory for the sums of the units of a partition, used again for the next."""

    def __init__(self, width: int) -> None:
        self.ends: Integers = np.empty(0, np.int64)
        self.groups: Numbers = np.empty(0, np.int32)
        self.sums: Integers = np.empty((0, width), np.int64)
        self.stored: Integers = np.zeros(2, np.int64)

    def reserve(self, units: int, cells: int) -> None:
        """Make room for so many more units and cells; those that are held stay."""
        ends, held = (int(count) for count in self.stored)
        if ends + units > len(self.ends):
            self.ends = _grown(self.ends, ends, 2 * (ends + units))
        if held + cells > len(self.groups):
            room = held + cells + (held >> 1)
            self.groups, self.sums = _grown(self.groups, held, room), _grown(self.sums, held, room)

    def taken(self) -> UnitSums:
        """The units that are held: valid until more are added, when they are overwritten."""
        ends, held = (int(count) for count in self.stored)
        self.stored[:] = 0
        return UnitSums(self.ends[:ends], self.groups[:held], self.sums[:held])


def _grown(array: NDArray[_Number], held: int, room: int) -> NDArray[_Number]:
    grown: NDArray[_Number] = np.empty((room, *array.shape[1:]), array.dtype)
    grown[:held] = array[:held]
    return grown


@dataclass(frozen=True, slots=True)
class Layout:
    """An aggregation as the kernel's arrays; `released` are the groups that are not left out, None for all.

    The units that are walked over have cells in other groups too, unless `left` says that only those are left.
    """

    measures: Integers
    blocks: Integers
    groups: int
    priorities: Words
    released: Vector | None = None
    left: bool = False

    @classmethod
    def of(cls, aggregation: Aggregation, columns: tuple[int, ...], groups: int, priorities: Words | None) -> Layout:
        """`columns` are the measures' columns of values, `priorities` those of candidate keys."""
        measures = [measure for block in aggregation.all_blocks for measure in block.measures]
        rows = [_measure(measure, column) for measure, column in zip(measures, columns, strict=True)]
        edges = pairwise(accumulate((len(block.measures) for block in aggregation.all_blocks), initial=0))
        most = [-1 if block.max_groups is None else block.max_groups for block in aggregation.all_blocks]
        blocks = [(*edge, m, 0, 0) for edge, m in zip(edges, most, strict=True)]
        own = np.empty(0, np.uint64) if priorities is None else priorities
        return cls(np.array(rows, np.int64), np.array(blocks, np.int64), groups, own)

    @property
    def width(self) -> int:
        """How many measures there are."""
        return len(self.measures)

    def block(self, number: int, place: int | None) -> Integers:
        """The block, or one measure of it."""
        block: Integers = self.blocks[number].copy()
        if place is not None:
            block[kernel.FIRST] += place
            block[kernel.LAST] = block[kernel.FIRST] + 1
        block[kernel.RESTRICTED] = self.released is not None and not self.left
        return block

    def inverse(self, block: Integers, bounds: tuple[Vector, ...] | None, plain: float | None = None) -> Floats:
        """1/B of each cell of the block's measures, negative where a group is left out."""
        inverse = np.empty((self.width, self.groups))
        for place, measure in enumerate(range(block[kernel.FIRST], block[kernel.LAST])):
            own: Floats | float = plain or 1.0 / float(self.measures[measure, kernel.L2_BOUND])
            if bounds is not None:
                own = BOUND_ONE / bounds[place].astype(np.float64)
            if self.released is None:
                inverse[measure] = own
            else:
                inverse[measure] = -1.0
                inverse[measure, self.released] = own
        return inverse


class Walk(ABC):
    """One request on its way over the units."""

    def __init__(self, layout: Layout, block: Integers, inverse: Floats) -> None:
        self._layout, self._block, self._inverse = layout, block, inverse

    @property
    @abstractmethod
    def found(self) -> tuple[Vector, ...]:
        """The answer for the units so far."""

    @abstractmethod
    def add(self, units: UnitSums) -> None:
        """Go over these units."""

    def merge(self, other: Self) -> None:
        """Take in what the same walk over other units found."""
        for own, others in zip(self._parts, other._parts, strict=True):
            np.add(own, others, out=own)

    @property
    @abstractmethod
    def _parts(self) -> tuple[Integers, ...]:
        """What adds up."""


class _Weighing(Walk):
    def __init__(self, layout: Layout, request: SumsOf) -> None:
        block = layout.block(request.block, request.place)
        block[kernel.UNIFORM] = request.bounds is None and block[kernel.LAST] - block[kernel.FIRST] == 1
        super().__init__(layout, block, layout.inverse(block, request.bounds))
        self._out: Integers = np.zeros((layout.width, layout.groups), np.int64)

    def add(self, units: UnitSums) -> None:
        layout = self._layout
        kernel.weigh_units(
            units.ends,
            units.groups,
            units.sums,
            layout.measures,
            self._block,
            layout.priorities,
            self._inverse,
            self._out,
        )

    @property
    def found(self) -> tuple[Vector, ...]:
        released = self._layout.released
        return self._parts if released is None else tuple(vector[released] for vector in self._parts)

    @property
    def _parts(self) -> tuple[Integers, ...]:
        return tuple(self._out[self._block[kernel.FIRST] : self._block[kernel.LAST]])


class _Measuring(Walk):
    def __init__(self, layout: Layout, request: NormsOf) -> None:
        block = layout.block(request.block, request.place)
        bounds = None if request.bounds is None else (request.bounds,)
        super().__init__(layout, block, layout.inverse(block, bounds, plain=1.0))
        self._bins: Integers = np.zeros(NORMS, np.int64)

    def add(self, units: UnitSums) -> None:
        layout = self._layout
        kernel.measure_units(
            units.ends,
            units.groups,
            units.sums,
            layout.measures,
            self._block,
            layout.priorities,
            self._inverse,
            self._bins,
        )

    @property
    def found(self) -> tuple[Vector, ...]:
        return self._parts

    @property
    def _parts(self) -> tuple[Integers, ...]:
        return (self._bins,)


class _Losing(Walk):
    def __init__(self, layout: Layout, request: LostOf) -> None:
        block = layout.block(request.block, None)
        block[kernel.UNIFORM] = request.bounds is None and block[kernel.LAST] - block[kernel.FIRST] == 1
        super().__init__(layout, block, layout.inverse(block, request.bounds))
        self._caps: Integers = np.zeros(layout.width, np.int64)
        self._caps[block[kernel.FIRST] : block[kernel.LAST]] = request.caps
        self._lost: Integers = np.zeros(layout.width, np.int64)

    def add(self, units: UnitSums) -> None:
        layout = self._layout
        kernel.lose_units(
            units.ends,
            units.groups,
            units.sums,
            layout.measures,
            self._block,
            layout.priorities,
            self._inverse,
            self._caps,
            self._lost,
        )

    @property
    def found(self) -> tuple[Vector, ...]:
        return (self._lost[self._block[kernel.FIRST] : self._block[kernel.LAST]],)

    @property
    def _parts(self) -> tuple[Integers, ...]:
        return (self._lost,)


def walk(layout: Layout, request: Request) -> Walk:
    """What answers the request."""
    if isinstance(request, SumsOf):
        return _Weighing(layout, request)
    return _Measuring(layout, request) if isinstance(request, NormsOf) else _Losing(layout, request)


def _measure(measure: Measure, column: int) -> list[int]:
    low, high = measure.row_bounds
    group_low, group_high = measure.group_bounds or (0, 0)
    low, high = max(low, -VALUE_LIMIT), min(high, VALUE_LIMIT)
    clamped = measure.group_bounds is not None
    return [_KINDS[measure.kind], column, low, high, clamped, group_low, group_high, measure.l2_bound]
