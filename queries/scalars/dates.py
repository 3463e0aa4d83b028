"""Dates: their parts, truncation, and days between and after them."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from queries.function_names import Function
from queries.parse import refusal
from queries.plan import DATE, INTEGER, Expression, Literal
from queries.scalars.operands import Build, Convert, as_date, as_number, call, read

_MOST_DAYS = 100_000
_INTERVAL_DIGITS = 6
_DAYS = {"DAY": 1, "WEEK": 7}
_PARTS = {
    "YEAR": Function.YEAR,
    "QUARTER": Function.QUARTER,
    "MONTH": Function.MONTH,
    "WEEK": Function.WEEK,
    "DAY": Function.DAY,
    "DOW": Function.DAY_OF_WEEK,
    "DAYOFWEEK": Function.DAY_OF_WEEK,
    "ISODOW": Function.ISO_DAY_OF_WEEK,
    "DOY": Function.DAY_OF_YEAR,
    "DAYOFYEAR": Function.DAY_OF_YEAR,
}
_TRUNCATED = {
    "YEAR": Function.TRUNCATE_YEAR,
    "QUARTER": Function.TRUNCATE_QUARTER,
    "MONTH": Function.TRUNCATE_MONTH,
    "WEEK": Function.TRUNCATE_WEEK,
}


def after_interval(function: Function, day: Expression, node: exp.Expr) -> Expression:
    """The day plus or minus an INTERVAL."""
    unit = str(node.args.get("unit") or "").upper().rstrip("S")
    text = node.this.name if node.this is not None else ""
    if unit not in _DAYS or not text.isdigit() or len(text) > _INTERVAL_DIGITS:
        reason = "Only intervals of days and weeks are supported."
        raise refusal("unsupported-expression", reason, node, hint="Write INTERVAL 30 DAY, or the day itself.")
    return _after(function, day, int(text) * _DAYS[unit])


def added(function: Function, day: Expression, other: Expression, node: exp.Expr) -> Expression:
    """The day plus or minus a number of days, or minus another day."""
    if function is Function.SUBTRACT and read(other, DATE, node).type == DATE:
        return call(Function.DAYS_BETWEEN, INTEGER, day, read(other, DATE, node))
    days = as_number(other, node)
    if not isinstance(days, Literal) or not isinstance(days.value, int) or days.type != INTEGER:
        hint = "Write it out: day + 7. Between two dates it is DATE_DIFF('day', a, b)."
        raise refusal("type-mismatch", "Only a whole number of days written here can be added to a date.", node, hint)
    return _after(function, day, days.value)


def _after(function: Function, day: Expression, days: int) -> Expression:
    days = -days if function is Function.SUBTRACT else days
    days = max(-_MOST_DAYS, min(_MOST_DAYS, days))
    if not isinstance(day, Literal) or not isinstance(day.value, str):
        return call(Function.ADD_DAYS, DATE, day, Literal(days, INTEGER))
    try:
        return Literal(date.fromordinal(date.fromisoformat(day.value).toordinal() + days).isoformat(), DATE)
    except (ValueError, OverflowError):
        return Literal(None, DATE)


def _extract(node: exp.Expr, convert: Convert) -> Expression:
    function = _PARTS.get(node.name.upper())
    if function is None:
        reason = f"EXTRACT of {node.name[:40]} is not supported."
        hint = "Possible are year, quarter, month, week, day, dayofweek, isodow and dayofyear."
        raise refusal("unsupported-expression", reason, node, hint)
    return call(function, INTEGER, as_date(convert(node.expression), node))


def _part(function: Function) -> Build:
    return lambda node, convert: call(function, INTEGER, as_date(convert(node.this), node))


def _truncate(node: exp.Expr, convert: Convert) -> Expression:
    unit = str(node.args["unit"].name).upper()
    day = as_date(convert(node.this), node)
    if unit == "DAY":
        return day
    if unit not in _TRUNCATED:
        reason = f"DATE_TRUNC to {unit[:40]} is not supported."
        raise refusal("unsupported-expression", reason, node, "Possible are day, week, month, quarter and year.")
    return call(_TRUNCATED[unit], DATE, day)


def _date_diff(node: exp.Expr, convert: Convert) -> Expression:
    unit = node.args.get("unit")
    if unit is not None and str(unit.name).upper() != "DAY":
        hint = "Write DATE_DIFF('day', …, …), or compare DATE_TRUNC('month', …)."
        raise refusal("unsupported-expression", "DATE_DIFF counts days only.", node, hint)
    later, earlier = as_date(convert(node.this), node), as_date(convert(node.expression), node)
    return call(Function.DAYS_BETWEEN, INTEGER, later, earlier)


BUILDERS: dict[type[exp.Expr], Build] = {
    exp.Extract: _extract,
    exp.Year: _part(Function.YEAR),
    exp.Quarter: _part(Function.QUARTER),
    exp.Month: _part(Function.MONTH),
    exp.Week: _part(Function.WEEK),
    exp.Day: _part(Function.DAY),
    exp.DayOfWeek: _part(Function.DAY_OF_WEEK),
    exp.DayOfWeekIso: _part(Function.ISO_DAY_OF_WEEK),
    exp.DayOfYear: _part(Function.DAY_OF_YEAR),
    exp.DateTrunc: _truncate,
    exp.TimestampTrunc: _truncate,
    exp.DateDiff: _date_diff,
}
