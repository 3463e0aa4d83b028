"""The contribution matrix in slow, exact Python: what the compiled kernel must compute, cell by cell.

Weights come from the kernel's own formula only where they must (the square root is not exact); every rule around them
is written here a second time, on fractions and dictionaries.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from queries.plan import WEIGHT_ONE, Aggregation, Block, Measure, MeasureKind

Row = tuple[int, int, tuple[int, ...]]  # unit, group (negative: none), values
Sums = dict[int, list[int]]  # group -> one sum a measure of the aggregation
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Share:
    """What one unit adds for one block: bounded sums by group, before and after weighting."""

    bounded: Mapping[int, tuple[int, ...]]
    ideal_weight: Fraction  # an upper bound, within one part in 2^60


def sums_by_unit(aggregation: Aggregation, columns: tuple[int, ...], rows: Iterable[Row]) -> dict[int, Sums]:
    measures = [measure for block in aggregation.all_blocks for measure in block.measures]
    units: dict[int, Sums] = defaultdict(lambda: defaultdict(lambda: [0] * len(measures)))
    for unit, group, values in rows:
        if group < 0:
            continue
        cells = units[unit][group]
        for index, (measure, column) in enumerate(zip(measures, columns, strict=True)):
            cells[index] = _added(measure, cells[index], None if column < 0 else values[column])
    return units


def shares(aggregation: Aggregation, sums: Sums, priorities: list[int] | None) -> list[Share]:
    """What one unit adds, block by block."""
    found, first = [], 0
    for block in aggregation.all_blocks:
        kept = _kept(block, sums, priorities)
        last = first + len(block.measures)
        bounded = {
            g: tuple(_clamped(m, v) for m, v in zip(block.measures, sums[g][first:last], strict=True)) for g in kept
        }
        found.append(Share(bounded, _ideal_weight(block, bounded)))
        first = last
    return found


def norm(block: Block, vector: Mapping[int, tuple[int, ...]]) -> Fraction:
    """Σ_j Σ_g p² / C_j², exactly."""
    return sum(
        (
            Fraction(p * p, m.l2_bound**2)
            for cells in vector.values()
            for m, p in zip(block.measures, cells, strict=True)
        ),
        Fraction(0),
    )


def _added(measure: Measure, cell: int, value: int | None) -> int:
    if measure.kind is MeasureKind.SUM:
        low, high = measure.row_bounds
        return cell + min(max(value or 0, low), high)
    counted = value is None or value != 0
    if measure.kind is MeasureKind.ROWS:
        return cell + counted
    return int(cell or counted)


def _clamped(measure: Measure, value: int) -> int:
    return value if measure.group_bounds is None else min(max(value, measure.group_bounds[0]), measure.group_bounds[1])


def _ideal_weight(block: Block, bounded: Mapping[int, tuple[int, ...]]) -> Fraction:
    squared = norm(block, bounded)
    if squared <= 1:
        return Fraction(WEIGHT_ONE)
    wide = (WEIGHT_ONE << 60) ** 2 * squared.denominator // squared.numerator
    return Fraction(isqrt(wide) + 1, 1 << 60)


def _kept(block: Block, sums: Sums, priorities: list[int] | None) -> list[int]:
    groups = sorted(sums)
    if block.max_groups is None or len(groups) <= block.max_groups:
        return groups
    priority = {group: group if priorities is None else priorities[group] for group in groups}
    content = 0
    for group in groups:
        word = _mixed(priority[group])
        for cell in sums[group]:
            word = _mixed(word ^ (cell & _MASK))
        content += word
    content = _mixed(content & _MASK)
    return sorted(groups, key=lambda group: (_mixed(priority[group] ^ content), group))[: block.max_groups]


def _mixed(word: int) -> int:
    word = (word + 0x9E3779B97F4A7C15) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return word ^ (word >> 31)
