"""From noised integers to the tables of the statement that is left over. Post-processing, so free.

Values are unbiased but for clipping: they are rounded to the measure's own places and are neither clamped nor made
consistent, so a count may come out negative where there is little to count. Beside them stand what is known of their
error, and the cells as people should read them (`display.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from queries.display import Biased, Drawn, cleaned, cleaned_above_zero, drawn_means, one_digit, rounded_each
from queries.intervals import CONFIDENCE, quantile
from queries.plan import WEIGHT_ONE, Expression, Kind, MeasureKind
from queries.planned import PlannedMeasure, PlannedNode
from queries.quantiles import Tree, quantiles
from queries.shown import mean_column

_Z = quantile(CONFIDENCE)
_SHIFT = WEIGHT_ONE.bit_length() - 1
_ARROW = {
    Kind.BOOLEAN: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.VARCHAR: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.NULL: pa.int32(),
}

_BIASED = "biased"  # a key of a table's metadata
_MORE_PLACES = 2  # of a mean than of what is added up, where it is known as exactly


def empty_table(node: PlannedNode) -> pa.Table:
    """A release of the same columns without rows, to try the rest of the statement on."""
    fields = [
        (f"k{place}", _ARROW[expression.type.kind] if expression.type.kind is not Kind.DECIMAL else pa.int64())
        for place, expression in enumerate(node.aggregation.keys.expressions)
    ]
    for place in range(len(node.aggregation.measures)):
        fields += [(f"m{place}", pa.int64()), (f"s{place}", pa.float64()), (f"c{place}", pa.float64())]
    return pa.schema(fields).empty_table()


def statement_tables(nodes: Sequence[PlannedNode], stored: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """The tables of the statement that is left over: keys k<n>, and of each measure, in display units, these columns.

    m<n> is its value, s<n> the standard error of its noise, l<n> and h<n> the ends of its clipping part, and d<n> the
    value to display; means to display have columns of their own (`mean_column`). `stored` has what was released for
    each node, by its name (`release.py`): columns numbered as in the plan, not as in the statement, because another
    statement may ask for the same. Releases of one table have the same keys in the same order.
    """
    tables: dict[str, dict[str, pa.Array]] = {}
    biased: dict[str, list[list[int]]] = {}
    for node in nodes:
        columns, shrunk = _columns(node, stored[node.name])
        tables.setdefault(node.table, {}).update(columns)
        biased.setdefault(node.table, []).extend(shrunk)
    return {
        name: pa.table(columns).replace_schema_metadata({_BIASED: json.dumps(biased[name])})
        for name, columns in tables.items()
    }


def biased_measures(tables: Mapping[str, pa.Table]) -> frozenset[Biased]:
    """Whose display values were drawn together because they are mostly noise: measures, and the two of a mean."""
    found = ((name, (table.schema.metadata or {}).get(_BIASED.encode(), b"[]")) for name, table in tables.items())
    return frozenset((name, frozenset(numbers)) for name, told in found for numbers in json.loads(told))


def _columns(node: PlannedNode, stored: pa.Table) -> tuple[dict[str, pa.Array], list[list[int]]]:
    """The columns of a release, and the numbers of what was drawn together."""
    columns: dict[str, pa.Array] = {}
    biased: list[list[int]] = []
    if node.tree is not None:
        columns |= _quantile_columns(node.tree, stored)
        stored = stored.take(pa.array(np.arange(0, stored.num_rows, node.tree.grid.nodes)))
    for place, number in enumerate(node.key_numbers):
        columns[f"k{number}"] = _key(stored.column(f"k{place}"), node.aggregation.keys.expressions[place])
    for place, measure in enumerate(node.measures if node.tree is None else ()):
        found, shrunk = _measure_columns(measure, place, stored)
        columns |= {f"{kind}{measure.number}": column for kind, column in found.items()}
        biased += [[measure.number]] if shrunk else []
    for total, count in node.means:
        drawn = _drawn_means(node, stored, total, count)
        unit = 10.0 ** -(_measure(node, total)[1].scale + _MORE_PLACES)
        shown = rounded_each(drawn.values, one_digit(drawn.values, drawn.deviations), unit)
        columns[mean_column(total, count)] = pa.array(shown, from_pandas=True)
        biased += [[total, count]] if drawn.biased else []
    return columns, biased


def _drawn_means(node: PlannedNode, stored: pa.Table, total: int, count: int) -> Drawn:
    cells = []
    for place, measure in (_measure(node, total), _measure(node, count)):
        unit = WEIGHT_ONE * 10**measure.scale
        cells.append([stored.column(f"{kind}{place}").to_numpy() / unit for kind in "ms"])
    (sums, errors), (counts, count_errors) = cells
    return drawn_means(sums, counts, errors, count_errors, _Z)


def _measure(node: PlannedNode, number: int) -> tuple[int, PlannedMeasure]:
    """The measure of this number, and its place."""
    return next((place, each) for place, each in enumerate(node.measures) if each.number == number)


def _measure_columns(measure: PlannedMeasure, place: int, stored: pa.Table) -> tuple[dict[str, pa.Array], bool]:
    noised, deviations = stored.column(f"m{place}").to_numpy(), stored.column(f"s{place}").to_numpy()
    clipped = stored.column(f"c{place}").to_numpy() if f"c{place}" in stored.column_names else np.zeros(len(noised))
    clean = cleaned_above_zero if measure.nonnegative else cleaned
    display = clean(noised / WEIGHT_ONE, deviations / WEIGHT_ONE)
    unit = WEIGHT_ONE * 10**measure.scale
    columns = {
        "m": _shown((noised + (WEIGHT_ONE >> 1)) >> _SHIFT, measure),
        "s": pa.array(deviations / unit),
        "l": pa.array(np.minimum(clipped, 0.0) / unit),
        "h": pa.array(np.maximum(clipped, 0.0) / unit),
        "d": _shown(display.values, measure),
    }
    return columns, display.biased


def _quantile_columns(tree: Tree, stored: pa.Table) -> dict[str, pa.Array]:
    """The quantiles of a tree whose nodes come one group after the other: nothing is known to be clipped of them."""
    counts = stored.column("m0").to_numpy().reshape(-1, tree.grid.nodes) / WEIGHT_ONE
    deviations = stored.column("s0").to_numpy()[:: tree.grid.nodes] / WEIGHT_ONE
    columns: dict[str, pa.Array] = {}
    edges, unit = tree.grid.edges, 10.0**-tree.scale
    for number, (values, errors) in quantiles(tree, counts, deviations, _Z).items():
        within = np.clip(rounded_each(values, one_digit(values, errors), unit), edges[0] * unit, (edges[-1] - 1) * unit)
        parts = {"m": values, "s": errors, "l": np.zeros(len(values)), "h": np.zeros(len(values)), "d": within}
        columns |= {f"{kind}{number}": pa.array(part, from_pandas=True) for kind, part in parts.items()}
    return columns


def _key(column: pa.ChunkedArray, expression: Expression) -> pa.Array:
    values = column.combine_chunks()
    if expression.type.kind is Kind.DECIMAL:
        return _decimal(values.cast(pa.int64()), expression.type.scale)
    return values.cast(_ARROW[expression.type.kind])


def _shown(numbers: NDArray[np.int64], measure: PlannedMeasure) -> pa.Array:
    """Minor units as the measure's own type."""
    values = pa.array(numbers, pa.int64())
    return _decimal(values, measure.scale) if measure.kind is MeasureKind.SUM and measure.scale else values


def _decimal(values: pa.Array, scale: int) -> pa.Array:
    """Integers of 10**-scale as decimals, exactly: their 128 bits are those of the integers."""
    low = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    bits = pa.py_buffer(np.column_stack([low, low >> 63]).tobytes())
    found = pa.Array.from_buffers(pa.decimal128(19, scale), len(low), [None, bits])
    return found if not values.null_count else pc.if_else(values.is_valid(), found, pa.scalar(None, found.type))
