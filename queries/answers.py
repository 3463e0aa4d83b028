"""Answers as JSON values: the columns of a result, each estimate with its interval, its display value and its grade.

Numbers keep all their digits; those that are computed here are shown in twelve, because more would only show the
machine's rounding.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from queries.display import Biased, rounded_each
from queries.errors import PostprocessError
from queries.intervals import CONFIDENCE, quantile
from queries.reliability import Bands, reliability
from queries.rows import BESIDE, Finish, Hidden, Output

_Z = quantile(CONFIDENCE)
_SMALLEST = 1e-300  # nothing is rounded to a smaller unit
_SHOWN = {
    "BOOLEAN": (pa.types.is_boolean,),
    "BIGINT": (pa.types.is_integer,),
    "DOUBLE": (pa.types.is_floating,),
    "DATE": (pa.types.is_date,),
    "TIMESTAMP": (pa.types.is_timestamp,),
    "VARCHAR": (pa.types.is_string, pa.types.is_large_string, pa.types.is_time, pa.types.is_null),
}


Cell = int | float | str | bool | None
Floats = NDArray[np.float64]
_ENDS = ("lower", "upper")
_TYPES = {name: "VARCHAR" if name == "reliability" else "DOUBLE" for name in BESIDE}


def answer_columns(
    outputs: Sequence[Output], table: pa.Table, biased: Collection[Biased] = ()
) -> list[dict[str, object]]:
    """The described columns of an answer: each estimate is followed by what is known of it.

    `biased` are those whose display values were drawn together. Raises PostprocessError where a column is of a type
    that JSON has no value for.
    """
    described: list[dict[str, object]] = []
    for output in outputs:
        type_ = _type_name(output.name, table.schema.field(output.name).type)
        described.append({"name": output.name, "type": type_, "role": output.role})
        if output.hidden is not None:
            described[-1] |= {"confidence": CONFIDENCE}
            described += [_beside(output, output.hidden, name, table, biased) for name in BESIDE]
    return described


def _beside(
    output: Output, hidden: Hidden, role: str, table: pa.Table, biased: Collection[Biased]
) -> dict[str, object]:
    column: dict[str, object] = {"name": f"{output.name}_{role}", "type": _TYPES[role], "role": role, "of": output.name}
    if role == "display":
        if hidden.finish is Finish.NOTHING:
            column["type"] = _type_name(output.name, table.schema.field(hidden.display).type)
        measures = {(source.release, source.measure) for source in hidden.noise}
        if any(all((name, number) in measures for number in numbers) for name, numbers in biased):
            column["biased"] = True
    return column


def answer_rows(outputs: Sequence[Output], table: pa.Table, bands: Bands | None = None) -> list[dict[str, Cell]]:
    """The rows of an answer, as JSON values.

    An interval is estimate ± z·error at 95%, widened by the clipping part. Raises PostprocessError where a value cannot
    be shown.
    """
    columns: dict[str, list[Cell]] = {}
    for output in outputs:
        cells = _cells(output.name, table)
        columns[output.name] = _shown(output, cells)
        if output.hidden is not None:
            columns |= _known(output, output.hidden, cells, table, bands or Bands())
    names = list(columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _known(output: Output, hidden: Hidden, cells: list[Cell], table: pa.Table, bands: Bands) -> dict[str, list[Cell]]:
    """What is known of an estimate, by the names of its columns."""
    values = np.array([_number(cell) for cell in cells], np.float64)
    error, low, high = (_floats(table.column(name)) for name in (hidden.error, hidden.low, hidden.high))
    known = np.isfinite(error) & np.isfinite(values)
    below, above = (np.where(known, part + 0.0, np.nan) for part in (low, high))
    with np.errstate(over="ignore", invalid="ignore"):
        lower, upper = values - _Z * error + below, values + _Z * error + above
        grades = reliability(values, (upper - lower) / 2, bands)
    found: dict[str, list[Any]] = {
        "lower": _all_rounded(lower),
        "upper": _all_rounded(upper),
        "standard_error": _all_rounded(error),
        "clipping_lower": _all_rounded(below),
        "clipping_upper": _all_rounded(above),
        "display": _displayed(hidden, table, error),
        "reliability": list(grades),
    }
    return {f"{output.name}_{name}": found[name] for name in BESIDE}


def _displayed(hidden: Hidden, table: pa.Table, error: Floats) -> list[Cell]:
    """The display values: what is no sum of cells is rounded to its own error, and left out where that is unknown."""
    if hidden.finish is Finish.NOTHING:
        return [_rounded(cell) if isinstance(cell, float) else cell for cell in _cells(hidden.display, table)]
    values = np.where(np.isfinite(error), _floats(table.column(hidden.display)), np.nan)
    low, high = hidden.limits or (-np.inf, np.inf)
    return _all_rounded(np.clip(rounded_each(values, np.nan_to_num(error), _SMALLEST), low, high))


def _floats(column: pa.ChunkedArray) -> Floats:
    """The numbers of a column, NaN where there is none."""
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), np.float64)
    return np.array([_number(_cell(value)) for value in column.to_pylist()], np.float64)


def _number(cell: Cell) -> float:
    return math.nan if cell is None or isinstance(cell, bool | str) else float(cell)


def _all_rounded(values: Floats) -> list[Cell]:
    """Each value in twelve significant digits, and None for what is no number."""
    if len(values) and (values == values[0]).all():
        return [_rounded(float(values[0]))] * len(values)
    return [
        float(f"{value:.12g}") if is_number else None
        for value, is_number in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]


def _shown(output: Output, cells: list[Cell]) -> list[Cell]:
    """The cells; those of a bound that the statement asks for in as many digits as the answer's own."""
    if output.role not in _ENDS:
        return cells
    return [_rounded(cell) if isinstance(cell, float) else cell for cell in cells]


def half_width(standard_error: float) -> float:
    """Half the width of the 95% interval of noise with this standard error."""
    return _Z * standard_error


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
    type_ = table.schema.field(name).type
    if pa.types.is_signed_integer(type_) or pa.types.is_string(type_) or pa.types.is_boolean(type_):
        return list(table.column(name).to_pylist())
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


def _rounded(value: float | None) -> float | None:
    """The value in twelve significant digits: more would only show the machine's rounding."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.12g}")
