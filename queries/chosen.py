"""Bounds that were chosen at a release: what receipts tell of them, and how the next release of the question has them.

They are a part of what was released (`release.py`), so they may be told and used again at no price: post-processing. A
release that has its bounds already spends on less noise what finding them would cost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from queries.errors import IllegalPlanError
from queries.expected import Span
from queries.mechanisms import build
from queries.plan import BOUND_ONE, NANO, WEIGHT_ONE, Block, Cells, PublicKeys
from queries.planned import PlannedMeasure, PlannedNode
from queries.release import BOUNDS, cell_bounds

REUSED = "chosen at an earlier release, used again at no price"
_DIGITS = 6


def chosen_cells(table: pa.Table) -> tuple[Cells | None, ...]:
    """The bounds of each measure that were chosen at a release."""
    exponents = enumerate(json.loads((table.schema.metadata or {}).get(BOUNDS, b"[]")))
    return tuple(None if exponent is None else Cells(exponent, _steps(place, table)) for place, exponent in exponents)


def told(node: PlannedNode, table: pa.Table) -> PlannedNode:
    """The node with the bounds and the noise of this release, where they were not known before."""
    if not any(chosen_cells(table)) or not table.num_rows:
        return node
    deviations = [table.column(f"s{place}").to_numpy() for place in range(len(node.measures))]
    return _with_errors(node, chosen_cells(table), deviations)


def reusing(node: PlannedNode, table: pa.Table) -> PlannedNode | None:
    """The node with the bounds of an earlier release of the same question; None where that has none that fit.

    Only of public keys: which others come back differs from release to release.
    """
    cells = chosen_cells(table)
    if not any(cells) or not isinstance(node.aggregation.keys, PublicKeys) or table.num_rows != node.cells:
        return None
    blocks = node.aggregation.blocks
    edges = pairwise(accumulate((len(block.measures) for block in blocks), initial=0))
    try:
        given = tuple(_given(block, cells[start:stop]) for block, (start, stop) in zip(blocks, edges, strict=True))
        aggregation = replace(node.aggregation, blocks=given)
        found = replace(node, aggregation=aggregation, mechanism=build(aggregation))
    except IllegalPlanError:
        return None
    known = _with_errors(found, cells, _deviations(found, table.num_rows))
    measures = (replace(own, source=REUSED) if used else own for own, used in zip(known.measures, cells, strict=True))
    return replace(known, measures=tuple(measures))


def _steps(place: int, table: pa.Table) -> bytes:
    name = f"e{place}"
    return bytes(table.column(name).to_numpy().tobytes()) if name in table.column_names else b""


def _given(block: Block, cells: Sequence[Cells | None]) -> Block:
    """The block with these bounds, and all that it would pay for finding them added to its sums."""
    if block.tuning is None:
        return block
    measures = tuple(replace(measure, cells=own) for measure, own in zip(block.measures, cells, strict=True))
    return replace(block, measures=measures, rho_nano=block.loss_nano - block.lost_nano, tuning=None)


def _deviations(node: PlannedNode, groups: int) -> list[NDArray[np.float64]]:
    """The noise of each cell that a release with these bounds would have."""
    found = []
    for block in node.aggregation.blocks:
        for measure in block.measures:
            own = np.ones(1) if measure.cells is None else cell_bounds(measure.cells, groups, len(block.measures))
            found.append(own / BOUND_ONE * WEIGHT_ONE / np.sqrt(2 * block.rho_nano / NANO))
    return found


def _with_errors(
    node: PlannedNode, cells: Sequence[Cells | None], deviations: Sequence[NDArray[np.float64]]
) -> PlannedNode:
    triples = zip(node.measures, cells, deviations, strict=True)
    measures = (measure if own is None else _known(measure, own, noise) for measure, own, noise in triples)
    return replace(node, measures=tuple(measures))


def _known(measure: PlannedMeasure, cells: Cells, deviations: NDArray[np.float64]) -> PlannedMeasure:
    """The measure with the smallest bound of a group, and the span of its noise."""
    unit = 10**measure.scale
    smallest = 2 ** ((cells.exponent + min(cells.steps, default=0)) / 4) / unit
    errors = deviations / WEIGHT_ONE / unit
    bound = Fraction(f"{smallest:.{_DIGITS}g}")
    return replace(measure, l2_bound=bound, standard_error=Span(float(errors.min()), float(errors.max())))
