"""Values that are given apart from the statement, as literals of it: nothing but a literal is ever made of one.

A value is a JSON number, text, boolean or null, or says its type: `{"type": "DATE", "value": "2017-01-31"}`. A list,
of either kind, stands for the values of an `IN`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from queries.errors import QueryNotPrivateError

TEXT_LIMIT = 1_000  # characters
ITEMS_LIMIT = 1_000  # of all lists of a statement
_DIGITS_LIMIT, _PLACES_LIMIT = 30, 60  # before and behind the point
_SHOWN = 60
_NAMES = {
    **dict.fromkeys(("INT64", "INTEGER", "INT", "BIGINT"), "INT64"),
    **dict.fromkeys(("NUMERIC", "DECIMAL"), "NUMERIC"),
    **dict.fromkeys(("FLOAT64", "DOUBLE"), "FLOAT64"),
    **dict.fromkeys(("STRING", "VARCHAR", "TEXT"), "STRING"),
    **dict.fromkeys(("BOOL", "BOOLEAN"), "BOOL"),
    "DATE": "DATE",
}
TYPES = tuple(_NAMES)
Place = tuple[int | None, int | None]  # line and column


def literal(key: str, value: object, place: Place) -> exp.Expr:
    """The one value of a parameter; raises QueryNotPrivateError where it is a list, or does not fit its type."""
    if isinstance(_inner(key, value, place)[1], list | tuple):
        reason = f"The parameter {_shown(key)} is a list, which stands for one value here."
        raise _refused(reason, place, f"A list stands after IN, without parentheses: IN ${_shown(key)}.")
    return _literal(key, value, place)


def literals(key: str, value: object, place: Place) -> list[exp.Expr]:
    """The values of a list; raises QueryNotPrivateError where it is none, is empty, or a value does not fit."""
    kind, items = _inner(key, value, place)
    if not isinstance(items, list | tuple):
        hint = f"Give a list, or write IN (${_shown(key)})."
        raise _refused(f"The parameter {_shown(key)} is one value, where a list is needed.", place, hint)
    if not 1 <= len(items) <= ITEMS_LIMIT:
        raise _refused(f"The list {_shown(key)} must have from 1 to {ITEMS_LIMIT:,} values.", place)
    return [_literal(key, item if kind is None else {"type": kind, "value": item}, place) for item in items]


def _literal(key: str, value: object, place: Place) -> exp.Expr:
    kind, inner = _inner(key, value, place)
    if inner is None:
        return exp.Null()
    found = _untyped(inner) if kind is None else _OF_TYPE[kind](inner)
    if found is None:
        wanted = "a number, a short text, a boolean or null" if kind is None else f"of the type {kind}"
        raise _refused(f"The parameter {_shown(key)} is not {wanted}, or is out of range.", place)
    return found


def _inner(key: str, value: object, place: Place) -> tuple[str | None, object]:
    """The type that is stated, if one is, and the value."""
    if not isinstance(value, Mapping):
        return None, value
    stated = value.get("type")
    kind = _NAMES.get(stated.upper()) if isinstance(stated, str) else None
    if kind is None or set(value) != {"type", "value"}:
        hint = f"Give a type and a value. The types are {', '.join(dict.fromkeys(_NAMES.values()))}."
        raise _refused(f"The parameter {_shown(key)} has no type that is known.", place, hint)
    return kind, value["value"]


def _untyped(value: object) -> exp.Expr | None:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    return _text(value) if isinstance(value, str) else _number(value)


def _number(value: object) -> exp.Expr | None:
    """Of a number, or of a text that is one; None where it is no finite one below 10^30."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or number.adjusted() >= _DIGITS_LIMIT or int(number.as_tuple().exponent) < -_PLACES_LIMIT:
        return None
    found = exp.Literal.number(format(abs(number), "f"))
    return exp.Neg(this=found) if number < 0 else found


def _whole(value: object) -> exp.Expr | None:
    text = str(value)
    fits = not isinstance(value, float | bool) and re.fullmatch(r"-?[0-9]{1,19}", text) is not None
    return _number(int(text)) if fits and -(1 << 63) <= int(text) < 1 << 63 else None


def _numeric(value: object) -> exp.Expr | None:
    return _number(value) if not isinstance(value, str) or re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else None


def _double(value: object) -> exp.Expr | None:
    found = None if isinstance(value, str) else _number(value)
    return None if found is None else exp.cast(found, "DOUBLE")


def _text(value: object) -> exp.Expr | None:
    short = isinstance(value, str) and len(value) <= TEXT_LIMIT and not re.search(r"[\x00\ud800-\udfff]", value)
    return exp.Literal.string(str(value)) if short else None


def _boolean(value: object) -> exp.Expr | None:
    return exp.Boolean(this=value) if isinstance(value, bool) else None


def _date(value: object) -> exp.Expr | None:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return None
    try:
        date.fromisoformat(value)
    except ValueError:
        return None
    return exp.cast(exp.Literal.string(value), "DATE")


def _refused(reason: str, place: Place, hint: str | None = None) -> QueryNotPrivateError:
    return QueryNotPrivateError("unknown-parameter", reason, hint=hint, line=place[0], column=place[1])


def _shown(key: str) -> str:
    return key[:_SHOWN]


_OF_TYPE: dict[str, Callable[[object], exp.Expr | None]] = {
    "INT64": _whole,
    "NUMERIC": _numeric,
    "FLOAT64": _double,
    "STRING": _text,
    "BOOL": _boolean,
    "DATE": _date,
}
