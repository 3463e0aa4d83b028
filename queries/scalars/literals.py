"""Constants written in the statement, as literals of a plan."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from queries.parse import refusal
from queries.plan import BOOLEAN, DATE, DOUBLE, INTEGER, NULL, SCALE_LIMIT, VARCHAR, Kind, Literal, Type

INT64_LIMIT = 1 << 63
_DIGITS_LIMIT = 30  # before the point


def exact_type(scale: int) -> Type:
    """The type of exact numbers with `scale` decimals: an integer if there are none."""
    return INTEGER if scale == 0 else Type(Kind.DECIMAL, scale)


def truth(*, value: bool) -> Literal:
    return Literal(value, BOOLEAN)


def nothing() -> Literal:
    """NULL, of no type yet."""
    return Literal(None, NULL)


def literal(node: exp.Expr) -> Literal:
    """A number or a text, as sqlglot has read it."""
    return Literal(node.name, VARCHAR) if node.args.get("is_string") else number(node.name, node)


def number(text: str, node: exp.Expr) -> Literal:
    """The number exactly, where it has at most nine decimals and fits into 64 bits; the nearest double otherwise."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        hint = "Write numbers without quotes. Texts go with texts: CAST makes one of a number."
        raise refusal("type-mismatch", "This text is not a number.", node, hint) from None
    if not value.is_finite() or value.adjusted() >= _DIGITS_LIMIT:
        raise refusal("number-out-of-range", "This number is out of range.", node)
    value = value.normalize()
    scale = max(0, -int(value.as_tuple().exponent))
    if scale > SCALE_LIMIT or abs(value) * 10**scale >= INT64_LIMIT:
        return Literal(float(value), DOUBLE)
    return Literal(int(value.scaleb(scale)), exact_type(scale))


def day(text: str, node: exp.Expr) -> Literal:
    try:
        return Literal(date.fromisoformat(text.strip()).isoformat(), DATE)
    except ValueError:
        raise refusal(
            "type-mismatch", "This text is not a date.", node, hint="Write dates as DATE '2017-01-31'."
        ) from None
