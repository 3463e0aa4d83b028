"""From a source's column to the stored one: the SQL of types, clamps, domains and the errors of a load.

Every expression is total but for `error(…)`, whose texts name columns and never quote a value.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from queries.errors import LoadError
from queries.policy import Column, Scalar
from queries.sql_text import identifier, text_literal

FAILURE_MARK = "kvitto: "

_INT32_MAX = 2**31 - 1
_NARROW_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_INTEGERS = {*_NARROW_INTEGERS, "HUGEINT", "UBIGINT"}
_FLOATS = {"FLOAT", "DOUBLE"}
_DATES = {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
# A double beyond this cannot be a stored integer; it is clamped on the way to 64 bits where a range is declared.
_FLOAT_LIMIT = "9e18::DOUBLE"
_FIRST_DAY, _LAST_DAY = "DATE '0001-01-01'", "DATE '9999-12-31'"


def storage_type(column: Column) -> str:
    """The DuckDB type in which the column is stored, as its own declaration tells it."""
    if column.type == "string":
        return "VARCHAR"
    if column.type in {"date", "boolean"}:
        return column.type.upper()
    limits = column.stored_range
    if limits is None and column.domain is not None:
        stored = [column.stored(value) for value in column.domain]
        limits = min(stored), max(stored)
    return "INTEGER" if limits and -_INT32_MAX <= limits[0] and limits[1] <= _INT32_MAX else "BIGINT"


@dataclass(frozen=True, slots=True)
class Conversion:
    """The three steps from a source's column to the stored one, each an SQL expression over the step before.

    `typed` reads the source. `clamped` reads `typed` and the column `given`: whether the source had a value. `stored`
    reads `clamped`.
    """

    typed: str
    given: str
    clamped: str
    stored: str


def conversion(path: str, name: str, column: Column, source_type: str, stored_type: str) -> Conversion:
    """How the source's column `name` becomes the stored one; `path` names it in errors."""
    this, given = identifier(name), identifier(f"_given_{name}")
    cast_type = "VARCHAR" if column.type == "string" else stored_type
    cast = f"TRY_CAST({_clamped(column, this)} AS {cast_type})"
    not_typed = failure(f"{path} holds a value that is not of its type, {column.type}")
    inside = _in_domain(column, this, stored_type)
    missing = failure(f"{path} is not nullable and has NULL or a value outside its domain")
    return Conversion(
        typed=_typed(column, this, source_type, path),
        given=given,
        clamped=f"CASE WHEN {given} AND {cast} IS NULL THEN {not_typed} ELSE {cast} END",
        stored=inside if column.nullable else f"CASE WHEN {inside} IS NULL THEN {missing} ELSE {inside} END",
    )


def failure(text: str) -> str:
    """An SQL expression that ends the load with this text."""
    return f"error({text_literal(FAILURE_MARK + text)})"


def literal(value: Scalar, column: Column) -> str:
    """A declared value as an SQL literal of the stored type."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    if column.type in {"integer", "decimal"}:
        return str(column.stored(value))
    return text_literal(str(value))


def _typed(column: Column, source: str, source_type: str, path: str) -> str:
    """The unclamped value: BIGINT or HUGEINT, DATE, BOOLEAN or VARCHAR; NULL for what is not of the type."""
    base = re.sub(r"\(.*", "", source_type)
    if column.type == "string":
        if base in {"VARCHAR", "UUID", "ENUM", "BOOLEAN", *_INTEGERS, *_DATES}:
            return f"CAST({source} AS VARCHAR)"
    elif column.type == "boolean":
        if base in {"VARCHAR", "BOOLEAN"}:
            return f"TRY_CAST({source} AS BOOLEAN)"
    elif column.type == "date":
        if base == "VARCHAR":
            known = f"regexp_full_match({source}, '[0-9]{{4}}-.*') AND NOT starts_with({source}, '0000')"
            return f"CASE WHEN {known} THEN TRY_CAST({source} AS DATE) END"
        if base in _DATES:
            # Python's dates, which answers are made of, end there, and DuckDB's functions fail far outside.
            day = f"TRY_CAST({source} AS DATE)"
            return f"CASE WHEN {day} BETWEEN {_FIRST_DAY} AND {_LAST_DAY} THEN {day} END"
    elif base in _NARROW_INTEGERS and column.minor_units == 1:
        return f"CAST({source} AS BIGINT)"
    elif base in _INTEGERS:
        return f"TRY_CAST({source} AS HUGEINT) * {column.minor_units}::HUGEINT"
    elif base in _FLOATS:
        return _typed_float(column, source)
    elif base in {"VARCHAR", "DECIMAL"}:
        return _typed_decimal(column, source)
    raise LoadError(f"{path} is declared as {column.type}, and its source has the type {base}")


def _typed_float(column: Column, source: str) -> str:
    value = f"round({source} * {column.minor_units})"
    if column.range is not None:
        high = f"WHEN {value} > {_FLOAT_LIMIT} THEN {_FLOAT_LIMIT} WHEN {value} < -{_FLOAT_LIMIT} THEN -{_FLOAT_LIMIT}"
        value = f"CASE WHEN isnan({source}) THEN NULL {high} ELSE {value} END"
    whole = f"TRY_CAST({value} AS HUGEINT)"
    if column.type == "decimal":
        return whole
    return f"CASE WHEN isinf({source}) OR trunc({source}) = {source} THEN {whole} END"


def _typed_decimal(column: Column, source: str) -> str:
    if column.type == "integer":
        number = f"TRY_CAST({source} AS DECIMAL(38, 9))"
        return f"CASE WHEN trunc({number}) = {number} THEN TRY_CAST({number} AS HUGEINT) END"
    factor = f"{column.minor_units}::DECIMAL({column.scale + 1}, 0)"
    return f"CAST(TRY_CAST({source} AS DECIMAL(28, {column.scale})) * {factor} AS HUGEINT)"


def _clamped(column: Column, this: str) -> str:
    """The value clamped to its range. NULL stays NULL: the comparisons are written out."""
    if column.range is None:
        return this
    low, high = (literal(limit, column) for limit in column.range)
    return f"CASE WHEN {this} < {low} THEN {low} WHEN {this} > {high} THEN {high} ELSE {this} END"


def _in_domain(column: Column, this: str, stored_type: str) -> str:
    """The value if it is in the declared domain, else NULL."""
    if column.domain is None:
        return this
    if column.type == "string":
        return f"TRY_CAST({this} AS {stored_type})"
    return f"CASE WHEN {this} IN ({', '.join(literal(entry, column) for entry in column.domain)}) THEN {this} END"
