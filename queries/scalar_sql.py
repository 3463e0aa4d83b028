"""Scalar functions as SQL: of the arguments of one row, whatever these are.

Every form is total: it gives a value or NULL and never an error, because an error would be an output that depends on
private rows. Integers are computed in HUGEINT, where no single operation on 64-bit operands can overflow, and come back
through TRY_CAST. There is no function here that can read, wait, see another row, or differ between two runs.

What is equal to the engine must be the same to everybody: of rows that it takes for equal any may come first, and of
keys any may stand for all. So no DOUBLE is -0.0, which equals 0.0, and none becomes a text, which would tell NaNs
apart.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from queries.errors import IllegalPlanError
from queries.function_names import Function
from queries.plan import Call, Kind, Literal

Form = Callable[[Call, list[str]], str]
_MOST_DAYS = 1_000_000
_TEXT_LIMIT = 1_000  # characters that a concatenation keeps: texts that double would end a worker on some rows only


def _infix(operator: str) -> Form:
    return lambda _, a: "(" + f" {operator} ".join(a) + ")"


def _function(name: str, result: str | None = None) -> Form:
    if result is None:
        return lambda _, a: f"{name}({', '.join(a)})"
    return lambda _, a: f"CAST({name}({', '.join(a)}) AS {result})"


def _arithmetic(operator: str) -> Form:
    """Exact numbers through HUGEINT, where a product is 2**126 at the most; DOUBLE is IEEE: inf, no error, no -0.0."""

    def form(call: Call, a: list[str]) -> str:
        if not call.type.exact:
            return f"({a[0]} {operator} {a[1]} + 0.0)"
        return f"TRY_CAST(CAST({a[0]} AS HUGEINT) {operator} CAST({a[1]} AS HUGEINT) AS BIGINT)"

    return form


def _divided(operator: str) -> Form:
    return lambda _, a: f"TRY_CAST(CAST({a[0]} AS HUGEINT) {operator} NULLIF(CAST({a[1]} AS HUGEINT), 0) AS BIGINT)"


def _unary(form: str) -> Form:
    def emit(call: Call, a: list[str]) -> str:
        if not call.type.exact:
            return f"({form.format(a[0])} + 0.0)"
        return f"TRY_CAST({form.format(f'CAST({a[0]} AS HUGEINT)')} AS BIGINT)"

    return emit


def _extreme(name: str) -> Form:
    """NULL if any argument is NULL: DuckDB's own form would skip it, so that LEAST(NULL, 100) were 100."""
    return lambda _, a: f"CASE WHEN {' OR '.join(f'{x} IS NULL' for x in a)} THEN NULL ELSE {name}({', '.join(a)}) END"


def _rescale(call: Call, a: list[str]) -> str:
    shift = call.type.scale - call.arguments[0].type.scale
    wide, factor = f"CAST({a[0]} AS HUGEINT)", 10 ** abs(shift)
    if shift >= 0:
        return f"TRY_CAST({wide} * {factor} AS BIGINT)"
    return f"TRY_CAST(sign({wide}) * ((abs({wide}) + {factor // 2}) // {factor}) AS BIGINT)"


def _case(_: Call, a: list[str]) -> str:
    arms = " ".join(f"WHEN {condition} THEN {value}" for condition, value in zip(a[:-1:2], a[1::2], strict=True))
    return f"CASE {arms} ELSE {a[-1]} END"


def _to_double(call: Call, a: list[str]) -> str:
    return f"(CAST({a[0]} AS DOUBLE) / {10 ** call.arguments[0].type.scale})"


def _text(form: Form) -> Form:
    def emit(call: Call, a: list[str]) -> str:
        if any(argument.type.kind is Kind.DOUBLE for argument in call.arguments):
            raise IllegalPlanError("a text of an inexact number")
        return form(call, a)

    return emit


def _truncated(unit: str) -> Form:
    return lambda _, a: f"CAST(date_trunc('{unit}', {a[0]}) AS DATE)"


def _add_days(call: Call, a: list[str]) -> str:
    """NULL where the sum is not of the years 1 to 9999, in which all dates are (`vault_columns.py`)."""
    days = call.arguments[1]
    if not isinstance(days, Literal) or not isinstance(days.value, int) or abs(days.value) > _MOST_DAYS:
        raise IllegalPlanError("days that are not written out")
    first, last = date.min.toordinal() - min(days.value, 0), date.max.toordinal() - max(days.value, 0)
    limits = [f"DATE '{date.fromordinal(day).isoformat()}'" for day in (first, last)]
    return f"CASE WHEN {a[0]} BETWEEN {limits[0]} AND {limits[1]} THEN CAST({a[0]} + {days.value} AS DATE) END"


FORMS: dict[Function, Form] = {
    Function.AND: _infix("AND"),
    Function.OR: _infix("OR"),
    Function.NOT: lambda _, a: f"(NOT {a[0]})",
    Function.IS_NULL: lambda _, a: f"({a[0]} IS NULL)",
    Function.EQUAL: _infix("="),
    Function.NOT_EQUAL: _infix("<>"),
    Function.LESS: _infix("<"),
    Function.LESS_EQUAL: _infix("<="),
    Function.SAME: _infix("IS NOT DISTINCT FROM"),
    Function.IN: lambda _, a: f"({a[0]} IN ({', '.join(a[1:])}))",
    Function.LIKE: _infix("LIKE"),
    Function.ILIKE: _infix("ILIKE"),
    Function.STARTS_WITH: _function("starts_with"),
    Function.CONTAINS: _function("contains"),
    Function.CASE: _case,
    Function.COALESCE: _function("coalesce"),
    Function.NULL_IF: _function("nullif"),
    Function.ADD: _arithmetic("+"),
    Function.SUBTRACT: _arithmetic("-"),
    Function.MULTIPLY: _arithmetic("*"),
    Function.NEGATE: _unary("(-{})"),
    Function.ABSOLUTE: _unary("abs({})"),
    Function.DIVIDE: lambda _, a: f"({a[0]} / NULLIF({a[1]}, 0) + 0.0)",
    Function.INTEGER_DIVIDE: _divided("//"),
    Function.MODULO: _divided("%"),
    Function.LEAST: _extreme("least"),
    Function.GREATEST: _extreme("greatest"),
    Function.RESCALE: _rescale,
    Function.TO_DOUBLE: _to_double,
    Function.FROM_DOUBLE: lambda call, a: f"TRY_CAST(round({a[0]} * {10**call.type.scale}) AS BIGINT)",
    Function.TO_VARCHAR: _text(lambda _, a: f"CAST({a[0]} AS VARCHAR)"),
    Function.TO_INTEGER: lambda _, a: f"TRY_CAST({a[0]} AS BIGINT)",
    Function.LOWER: _function("lower"),
    Function.UPPER: _function("upper"),
    Function.TRIM: _function("trim"),
    Function.LENGTH: _function("length", "BIGINT"),
    Function.CONCAT: _text(lambda _, a: f"left({' || '.join(a)}, {_TEXT_LIMIT})"),
    Function.SUBSTRING: _function("substring"),
    Function.YEAR: _function("year", "BIGINT"),
    Function.QUARTER: _function("quarter", "BIGINT"),
    Function.MONTH: _function("month", "BIGINT"),
    Function.WEEK: _function("week", "BIGINT"),
    Function.DAY: _function("day", "BIGINT"),
    Function.DAY_OF_WEEK: _function("dayofweek", "BIGINT"),
    Function.ISO_DAY_OF_WEEK: _function("isodow", "BIGINT"),
    Function.DAY_OF_YEAR: _function("dayofyear", "BIGINT"),
    Function.TRUNCATE_YEAR: _truncated("year"),
    Function.TRUNCATE_QUARTER: _truncated("quarter"),
    Function.TRUNCATE_MONTH: _truncated("month"),
    Function.TRUNCATE_WEEK: _truncated("week"),
    Function.ADD_DAYS: _add_days,
    Function.DAYS_BETWEEN: lambda _, a: f"TRY(CAST(({a[0]} - {a[1]}) AS BIGINT))",
}
