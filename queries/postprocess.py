"""From noised integers to tables that people read: display units, names, intervals. Post-processing, so free.

Values are unbiased but for clipping: they are rounded to the measure's own places and are neither clamped nor made
consistent, so a count may come out negative where there is little to count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from queries.errors import PostprocessError
from queries.intervals import CONFIDENCE, quantile
from queries.plan import WEIGHT_ONE, Expression, Kind, MeasureKind
from queries.planned import PlannedMeasure, PlannedNode
from queries.quantiles import Tree, quantiles
from queries.rows import BOUNDS, Output

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

_SHOWN = {
    "BOOLEAN": (pa.types.is_boolean,),
    "BIGINT": (pa.types.is_integer,),
    "DOUBLE": (pa.types.is_floating,),
    "DATE": (pa.types.is_date,),
    "TIMESTAMP": (pa.types.is_timestamp,),
    "VARCHAR": (pa.types.is_string, pa.types.is_large_string, pa.types.is_time, pa.types.is_null),
}

Cell = int | float | str | bool | None


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
    """The tables of the statement that is left over: keys k<n>, measures m<n> in display units, their noise s<n>.

    `stored` has what was released for each node, by its name (`release.py`): columns numbered as in the plan, not as in
    the statement, because another statement may ask for the same. Releases of one table have the same keys in the same
    order.
    """
    tables: dict[str, dict[str, pa.Array]] = {}
    for node in nodes:
        tables.setdefault(node.table, {}).update(_columns(node, stored[node.name]))
    return {table: pa.table(columns) for table, columns in tables.items()}


def _columns(node: PlannedNode, stored: pa.Table) -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    if node.tree is not None:
        columns |= _quantile_columns(node.tree, stored)
        stored = stored.take(pa.array(np.arange(0, stored.num_rows, node.tree.grid.nodes)))
    for place, number in enumerate(node.key_numbers):
        columns[f"k{number}"] = _key(stored.column(f"k{place}"), node.aggregation.keys.expressions[place])
    for place, measure in enumerate(node.measures if node.tree is None else ()):
        columns[f"m{measure.number}"] = _display(stored.column(f"m{place}").to_numpy(), measure)
        deviation = stored.column(f"s{place}").to_numpy() / (WEIGHT_ONE * 10**measure.scale)
        columns[f"s{measure.number}"] = pa.array(deviation)
    return columns


def _quantile_columns(tree: Tree, stored: pa.Table) -> dict[str, pa.Array]:
    """The quantiles of a tree whose nodes come one group after the other."""
    counts = stored.column("m0").to_numpy().reshape(-1, tree.grid.nodes) / WEIGHT_ONE
    deviation = float(stored.column("s0")[0].as_py()) / WEIGHT_ONE if stored.num_rows else 0.0
    columns: dict[str, pa.Array] = {}
    for number, (values, errors) in quantiles(tree, counts, deviation, _Z).items():
        columns |= {f"m{number}": pa.array(values, from_pandas=True), f"s{number}": pa.array(errors, from_pandas=True)}
    return columns


def answer_columns(outputs: Sequence[Output], table: pa.Table) -> list[dict[str, object]]:
    """The described columns of an answer: each estimate is followed by its bounds and its standard error.

    Raises PostprocessError where a column is of a type that JSON has no value for.
    """
    described: list[dict[str, object]] = []
    for output in outputs:
        type_ = _type_name(output.name, table.schema.field(output.name).type)
        described.append({"name": output.name, "type": type_, "role": output.role})
        if output.error is not None:
            described[-1] |= {"confidence": CONFIDENCE}
            for bound in BOUNDS:
                name = f"{output.name}_{bound}"
                described.append({"name": name, "type": "DOUBLE", "role": bound, "of": output.name})
    return described


def answer_rows(outputs: Sequence[Output], table: pa.Table) -> list[dict[str, Cell]]:
    """The rows of an answer, as JSON values.

    An interval is estimate ± z·error at 95%. It covers the noise; the bias of clipping is not in it. Raises
    PostprocessError where a value cannot be shown.
    """
    values = {output.name: _cells(output.name, table) for output in outputs}
    columns: dict[str, list[Cell]] = {}
    for output in outputs:
        columns[output.name] = _shown(output, values[output.name])
        if output.error is not None:
            errors = [_finite(error) for error in table.column(output.error).to_pylist()]
            pairs = list(zip(values[output.name], errors, strict=True))
            columns[f"{output.name}_lower"] = [_bound(value, error, -_Z) for value, error in pairs]
            columns[f"{output.name}_upper"] = [_bound(value, error, _Z) for value, error in pairs]
            columns[f"{output.name}_standard_error"] = [_rounded(error) for error in errors]
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _shown(output: Output, cells: list[Cell]) -> list[Cell]:
    """The cells; those of a bound that the statement asks for in as many digits as the answer's own."""
    if output.role not in BOUNDS:
        return cells
    return [_rounded(cell) if isinstance(cell, float) else cell for cell in cells]


def half_width(standard_error: float) -> float:
    """Half the width of the 95% interval of noise with this standard error."""
    return _Z * standard_error


def _key(column: pa.ChunkedArray, expression: Expression) -> pa.Array:
    values = column.combine_chunks()
    if expression.type.kind is Kind.DECIMAL:
        return _decimal(values.cast(pa.int64()), expression.type.scale)
    return values.cast(_ARROW[expression.type.kind])


def _display(noised: NDArray[np.int64], measure: PlannedMeasure) -> pa.Array:
    """Rounded from units of 1/WEIGHT_ONE to the measure's own places, halves upwards."""
    rounded = (noised + (WEIGHT_ONE >> 1)) >> _SHIFT
    values = pa.array(rounded, pa.int64())
    if measure.kind is MeasureKind.SUM and measure.scale:
        return _decimal(values, measure.scale)
    return values


def _decimal(values: pa.Array, scale: int) -> pa.Array:
    """Integers of 10**-scale as decimals, exactly."""
    numbers = values.to_pylist()
    scaled = [None if number is None else Decimal(number).scaleb(-scale) for number in numbers]
    return pa.array(scaled, pa.decimal128(19, scale))


def _type_name(name: str, type_: pa.DataType) -> str:
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_dictionary(type_):
        return _type_name(name, type_.value_type)
    for shown, kinds in _SHOWN.items():
        if any(is_kind(type_) for is_kind in kinds):
            return shown
    raise PostprocessError(f"{name[:100]} is of a type that an answer cannot show. CAST it to VARCHAR.")


def _cells(name: str, table: pa.Table) -> list[Cell]:
    try:
        return [_cell(value) for value in table.column(name).to_pylist()]
    except (OverflowError, ValueError):
        reason = f"{name[:100]} holds a date outside the years 1 to 9999. CAST it to VARCHAR, or leave it out."
        raise PostprocessError(reason) from None


def _cell(value: object) -> Cell:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else float(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, float):
        return _finite(value)
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _finite(value: object) -> float | None:
    return float(value) if isinstance(value, int | float | Decimal) and math.isfinite(value) else None


def _bound(value: Cell, error: float | None, z: float) -> float | None:
    if isinstance(value, bool | str) or value is None or error is None:
        return None
    return _rounded(value + z * error)


def _rounded(value: float | None) -> float | None:
    """The value in twelve significant digits: more would only show the machine's rounding."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.12g}")
