"""An answer's rows in other formats: CSV that no spreadsheet runs, Parquet and Arrow."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

MEDIA_TYPES: Final[Mapping[str, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
_FACTS: Final = ("role", "confidence", "of", "biased")
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def documented(example: object) -> dict[str, dict[str, object]]:
    """The OpenAPI content of a result, one entry a format."""
    binary: dict[str, object] = {"schema": {"type": "string", "format": "binary"}}
    content: dict[str, dict[str, object]] = {kind.partition(";")[0]: dict(binary) for kind in MEDIA_TYPES.values()}
    content["application/json"] = {"example": example}
    return content


def encode(body: bytes, fmt: str) -> bytes:
    """The rows of an answer body as `csv`, `parquet` or `arrow` bytes."""
    answer = json.loads(body, parse_float=Decimal)
    if fmt == "csv":
        return to_csv(answer["columns"], answer["rows"])
    sink = io.BytesIO()
    table = to_table(answer["columns"], answer["rows"])
    if fmt == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return sink.getvalue()


def to_csv(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """RFC 4180 text in UTF-8; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    sink = io.StringIO()
    writer = csv.writer(sink)
    names = [column["name"] for column in columns]
    writer.writerow([_inert(name) for name in names])
    writer.writerows([_inert(row.get(name)) for name in names] for row in rows)
    return sink.getvalue().encode()


def to_table(columns: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """An Arrow table; what is told of a column beside its type stands in its field's metadata."""
    fields, arrays = [], []
    for column in columns:
        name = column["name"]
        array = _array([row.get(name) for row in rows], str(column.get("type", "")).lower())
        facts = {key: str(column[key]) for key in _FACTS if column.get(key) is not None}
        fields.append(pa.field(name, array.type, metadata=facts or None))
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _inert(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value


def _array(values: list[Any], kind: str) -> pa.Array:
    """The values in the Arrow type that the column's declared type names; numbers in text are read."""
    if kind.startswith("date"):
        return pa.array([None if v is None else date.fromisoformat(v) for v in values], pa.date32())
    if kind.startswith("timestamp"):
        return pa.array([None if v is None else datetime.fromisoformat(v) for v in values], pa.timestamp("us"))
    if kind.startswith("bool"):
        return pa.array(values, pa.bool_())
    if kind.startswith(("varchar", "string", "text", "enum")):
        return pa.array([None if v is None else str(v) for v in values], pa.string())
    return _numbers(values)


def _numbers(values: list[Any]) -> pa.Array:
    present = [value for value in values if value is not None]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in present):
        if all(-(2**63) <= value < 2**63 for value in present):
            return pa.array(values, pa.int64())
        return pa.array([None if v is None else Decimal(v) for v in values], pa.decimal128(38, 0))
    if all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in present):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else str(v) for v in values], pa.string())
