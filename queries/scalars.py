"""Scalar expressions of the statement, typed and made total: what `emit.py` can say, and nothing else.

The functions are listed by node class; a node that is not listed is refused. Results are in a normal form (constants
folded, conjuncts sorted, comparisons turned one way), so that spellings of one question become one plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from queries.parse import refusal
from queries.plan import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    SCALE_LIMIT,
    VARCHAR,
    Call,
    Expression,
    Function,
    Kind,
    Literal,
    Type,
)

INT64_LIMIT = 1 << 63
TEXT_LIMIT = 1_000  # of SUBSTRING, in characters
_INTERVAL_DIGITS = 6


@dataclass(frozen=True, slots=True)
class UnitColumn:
    """The privacy unit, as a name of the statement's: `item` is the number of the FROM item that it was written for."""

    item: int


Resolver = Callable[[exp.Column], "Expression | UnitColumn"]


def scalar(node: exp.Expr, resolve: Resolver) -> Expression:
    """The expression of `node`, columns looked up by `resolve`; what has no total form is refused."""
    if isinstance(node, exp.Column):
        found = resolve(node)
        if isinstance(found, UnitColumn):
            raise refusal(
                "unit-in-expression",
                f"{node.sql()} names the privacy unit, which may only be joined on and counted.",
                node,
                hint="Join on it, or count it: COUNT(DISTINCT unit). Conditions on single units are never answered.",
            )
        return found
    build = _BUILDERS.get(type(node))
    if build is None:
        name = node.sql_name() if isinstance(node, exp.Func) else type(node).__name__.upper()
        raise refusal(
            "unsupported-expression", f"{name} is not supported on private rows.", node, hint=_HINTS.get(type(node))
        )
    return build(node, lambda child: scalar(child, resolve))


def exact_type(scale: int) -> Type:
    """The type of exact numbers with `scale` decimals: an integer if there are none."""
    return INTEGER if scale == 0 else Type(Kind.DECIMAL, scale)


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """The parts of a conjunction; TRUE has none."""
    if expression == _bool(value=True):
        return ()
    if isinstance(expression, Call) and expression.function is Function.AND:
        return expression.arguments
    return (expression,)


def conjunction(parts: tuple[Expression, ...]) -> Expression:
    return _logical(Function.AND, list(parts))


def call(function: Function, type_: Type, *arguments: Expression) -> Call:
    return Call(function, arguments, type_)


def rescaled(expression: Expression, scale: int) -> Expression:
    """The exact number with another scale; a literal at once, where nothing is lost."""
    if expression.type.scale == scale and expression.type.exact:
        return expression
    if isinstance(expression, Literal) and isinstance(expression.value, int) and scale > expression.type.scale:
        value = expression.value * 10 ** (scale - expression.type.scale)
        if abs(value) < INT64_LIMIT:
            return Literal(value, exact_type(scale))
    return call(Function.RESCALE, exact_type(scale), expression)


def date_literal(text: str, node: exp.Expr) -> Literal:
    try:
        return Literal(date.fromisoformat(text.strip()).isoformat(), DATE)
    except ValueError:
        raise refusal(
            "type-mismatch", "This text is not a date.", node, hint="Write dates as DATE '2017-01-31'."
        ) from None


Convert = Callable[[exp.Expr], Expression]


def _bool(*, value: bool) -> Literal:
    return Literal(value, BOOLEAN)


def _aligned(node: exp.Expr, *values: Expression) -> tuple[Expression, ...]:
    """All values in one common type; a text literal becomes what it stands beside."""
    types = [value.type for value in values if value.type.kind is not Kind.NULL]
    target = next((t for t in types if t.kind is not Kind.VARCHAR), types[0] if types else NULL)
    values = tuple(_from_text(value, target, node) for value in values)
    types = [value.type for value in values if value.type.kind is not Kind.NULL]
    if all(t.exact for t in types) and types:
        target = exact_type(max(t.scale for t in types))
    elif all(t.exact or t.kind is Kind.DOUBLE for t in types) and types:
        target = DOUBLE
    elif len(set(types)) > 1:
        kinds = ", ".join(sorted({str(t.kind.value) for t in types}))
        raise refusal(
            "type-mismatch", f"Values of the types {kinds} do not go together here.", node, hint="Add a CAST."
        )
    return tuple(_in_type(value, target) for value in values)


def _from_text(value: Expression, target: Type, node: exp.Expr) -> Expression:
    if not isinstance(value, Literal) or not isinstance(value.value, str) or value.type != VARCHAR:
        return value
    if target.kind is Kind.DATE:
        return date_literal(value.value, node)
    if target.exact or target.kind is Kind.DOUBLE:
        return _number(value.value, node)
    return value


def _in_type(value: Expression, target: Type) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, target)
    if target.exact:
        return rescaled(value, target.scale)
    return _double(value) if target == DOUBLE else value


def _double(value: Expression) -> Expression:
    if isinstance(value, Literal) and isinstance(value.value, int) and not isinstance(value.value, bool):
        return Literal(float(Decimal(value.value).scaleb(-value.type.scale)), DOUBLE)
    return value if value.type == DOUBLE else call(Function.TO_DOUBLE, DOUBLE, value)


def _number(text: str, node: exp.Expr) -> Literal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise refusal("type-mismatch", "This text is not a number.", node) from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 30:
        raise refusal("number-out-of-range", "This number is out of range.", node)
    number = number.normalize()
    scale = max(0, -int(number.as_tuple().exponent))
    if scale > SCALE_LIMIT or abs(number) * 10**scale >= INT64_LIMIT:
        return Literal(float(number), DOUBLE)
    return Literal(int(number.scaleb(scale)), exact_type(scale))


def _literal(node: exp.Expr, _: Convert) -> Expression:
    return Literal(node.name, VARCHAR) if node.args.get("is_string") else _number(node.name, node)


def _logical(function: Function, parts: list[Expression]) -> Expression:
    """AND or OR in normal form: flat, sorted, without repeats and neutral constants."""
    neutral, zero = _bool(value=function is Function.AND), _bool(value=function is Function.OR)
    flat: dict[Expression, None] = {}
    for part in parts:
        nested = part.arguments if isinstance(part, Call) and part.function is function else (part,)
        flat.update(dict.fromkeys(nested))
    flat.pop(neutral, None)
    if zero in flat:
        return zero
    if len(flat) <= 1:
        return next(iter(flat), neutral)
    return Call(function, tuple(sorted(flat, key=repr)), BOOLEAN)


def _connective(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        parts = [_condition(convert(part), part) for part in node.flatten()]
        return _logical(function, parts)

    return build


def _condition(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, BOOLEAN)
    if value.type != BOOLEAN:
        raise refusal("type-mismatch", "This is not a condition.", node)
    return value


def condition(node: exp.Expr, resolve: Resolver) -> Expression:
    """The boolean expression of `node`."""
    return _condition(scalar(node, resolve), node)


def _not(node: exp.Expr, convert: Convert) -> Expression:
    return _negated(_condition(convert(node.this), node))


def _negated(value: Expression) -> Expression:
    if isinstance(value, Literal) and isinstance(value.value, bool):
        return _bool(value=not value.value)
    if isinstance(value, Call) and value.function is Function.NOT:
        return value.arguments[0]
    if isinstance(value, Call) and value.function is Function.EQUAL:
        return Call(Function.NOT_EQUAL, value.arguments, BOOLEAN)
    return call(Function.NOT, BOOLEAN, value)


_FOLDED: dict[Function, Callable[[object, object], bool]] = {
    Function.EQUAL: lambda a, b: a == b,
    Function.NOT_EQUAL: lambda a, b: a != b,
    Function.LESS: lambda a, b: a < b,  # type: ignore[operator]  # both are of one type
    Function.LESS_EQUAL: lambda a, b: a <= b,  # type: ignore[operator]  # both are of one type
}


def _compare(function: Function, *, flipped: bool = False) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        left, right = _aligned(node, convert(node.this), convert(node.expression))
        return comparison(function, right, left) if flipped else comparison(function, left, right)

    return build


def comparison(function: Function, left: Expression, right: Expression) -> Expression:
    """`left function right` for two values of one type, folded if both are constants."""
    fold = _FOLDED.get(function)
    if fold and isinstance(left, Literal) and isinstance(right, Literal) and None not in (left.value, right.value):
        return _bool(value=fold(left.value, right.value))
    if function in (Function.EQUAL, Function.NOT_EQUAL, Function.SAME):
        left, right = sorted((left, right), key=repr)
    return call(function, BOOLEAN, left, right)


def _between(node: exp.Expr, convert: Convert) -> Expression:
    value, low, high = _aligned(node, convert(node.this), convert(node.args["low"]), convert(node.args["high"]))
    return _logical(
        Function.AND,
        [comparison(Function.LESS_EQUAL, low, value), comparison(Function.LESS_EQUAL, value, high)],
    )


def _is(node: exp.Expr, convert: Convert) -> Expression:
    value = convert(node.this)
    if isinstance(node.expression, exp.Null):
        return call(Function.IS_NULL, BOOLEAN, value)
    return comparison(Function.SAME, _condition(value, node), _condition(convert(node.expression), node))


def _in(node: exp.Expr, convert: Convert) -> Expression:
    if node.args.get("query") is not None:
        raise refusal(
            "subquery-in-condition",
            "A subquery inside a condition on private rows is not supported.",
            node,
            hint="Join the table and put the condition into WHERE or ON.",
        )
    value, *options = _aligned(node, convert(node.this), *(convert(option) for option in node.expressions))
    return Call(Function.IN, (value, *sorted(set(options), key=repr)), BOOLEAN)


def _like(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        text, pattern = _text(convert(node.this), node), convert(node.expression)
        if not isinstance(pattern, Literal) or pattern.type != VARCHAR:
            raise refusal("type-mismatch", "The pattern must be a text written in the statement.", node)
        found = call(function, BOOLEAN, text, pattern)
        return _negated(found) if node.args.get("negate") else found

    return build


def _text(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, VARCHAR)
    if value.type != VARCHAR:
        raise refusal("type-mismatch", "A text is needed here.", node, hint="Add a CAST to VARCHAR.")
    return value


def _dated(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, DATE)
    value = _from_text(value, DATE, node)
    if value.type != DATE:
        raise refusal("type-mismatch", "A date is needed here.", node)
    return value


def _numeric(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind is Kind.NULL:
        return Literal(None, INTEGER)
    value = _from_text(value, INTEGER, node)
    if not value.type.exact and value.type != DOUBLE:
        raise refusal("type-mismatch", "A number is needed here.", node)
    return value


def _sum(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        if isinstance(node.expression, exp.Interval):
            return _shifted(_dated(convert(node.this), node), _interval_days(node.expression), function)
        left, right = convert(node.this), convert(node.expression)
        if left.type == DATE:
            if function is Function.SUBTRACT and _from_text(right, DATE, node).type == DATE:
                return call(Function.DAYS_BETWEEN, INTEGER, left, _from_text(right, DATE, node))
            days = _numeric(right, node)
            if not isinstance(days, Literal) or not isinstance(days.value, int) or days.type != INTEGER:
                raise refusal("type-mismatch", "Only a whole number of days written here can be added to a date.", node)
            return _shifted(left, days.value, function)
        left, right = _aligned(node, _numeric(left, node), _numeric(right, node))
        return call(function, left.type, left, right)

    return build


def _shifted(day: Expression, days: int, function: Function) -> Expression:
    days = -days if function is Function.SUBTRACT else days
    days = max(-100_000, min(100_000, days))
    if isinstance(day, Literal) and isinstance(day.value, str):
        try:
            return Literal(date.fromordinal(date.fromisoformat(day.value).toordinal() + days).isoformat(), DATE)
        except (ValueError, OverflowError):
            return Literal(None, DATE)
    return call(Function.ADD_DAYS, DATE, day, Literal(days, INTEGER))


def _interval_days(node: exp.Expr) -> int:
    unit = str(node.args.get("unit") or "").upper().rstrip("S")
    text = node.this.name if node.this is not None else ""
    if unit not in ("DAY", "WEEK") or not text.isdigit() or len(text) > _INTERVAL_DIGITS:
        raise refusal("unsupported-expression", "Only intervals of days and weeks are supported.", node)
    return int(text) * (7 if unit == "WEEK" else 1)


def _product(node: exp.Expr, convert: Convert) -> Expression:
    left, right = _numeric(convert(node.this), node), _numeric(convert(node.expression), node)
    if left.type.exact and right.type.exact and left.type.scale + right.type.scale <= SCALE_LIMIT:
        return call(Function.MULTIPLY, exact_type(left.type.scale + right.type.scale), left, right)
    return call(Function.MULTIPLY, DOUBLE, _double(left), _double(right))


def _quotient(node: exp.Expr, convert: Convert) -> Expression:
    left, right = _numeric(convert(node.this), node), _numeric(convert(node.expression), node)
    return call(Function.DIVIDE, DOUBLE, _double(left), _double(right))


def _whole_quotient(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        left, right = _aligned(node, _numeric(convert(node.this), node), _numeric(convert(node.expression), node))
        if not left.type.exact:
            raise refusal("type-mismatch", "Whole division and remainder need exact numbers.", node)
        type_ = INTEGER if function is Function.INTEGER_DIVIDE else left.type
        return call(function, type_, left, right)

    return build


def _signed(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        value = _numeric(convert(node.this), node)
        if isinstance(value, Literal) and isinstance(value.value, int | float):
            return Literal(abs(value.value) if function is Function.ABSOLUTE else -value.value, value.type)
        return call(function, value.type, value)

    return build


def _case(node: exp.Expr, convert: Convert) -> Expression:
    operand = node.this
    conditions, values = [], []
    for arm in node.args["ifs"]:
        if operand is None:
            conditions.append(_condition(convert(arm.this), arm))
        else:
            conditions.append(comparison(Function.EQUAL, *_aligned(arm, convert(operand), convert(arm.this))))
        values.append(convert(arm.args["true"]))
    default = node.args.get("default")
    return _cases(node, conditions, [*values, convert(default) if default is not None else Literal(None, NULL)])


def _if(node: exp.Expr, convert: Convert) -> Expression:
    otherwise = node.args.get("false")
    values = [convert(node.args["true"]), convert(otherwise) if otherwise is not None else Literal(None, NULL)]
    return _cases(node, [_condition(convert(node.this), node)], values)


def _cases(node: exp.Expr, conditions: list[Expression], values: list[Expression]) -> Expression:
    aligned = _aligned(node, *values)
    arms = [part for pair in zip(conditions, aligned[:-1], strict=True) for part in pair]
    return call(Function.CASE, aligned[-1].type, *arms, aligned[-1])


def _variadic(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        values = _aligned(node, convert(node.this), *(convert(child) for child in node.expressions))
        return values[0] if len(values) == 1 else call(function, values[0].type, *values)

    return build


def _null_if(node: exp.Expr, convert: Convert) -> Expression:
    left, right = _aligned(node, convert(node.this), convert(node.expression))
    return call(Function.NULL_IF, left.type, left, right)


def _pipe(node: exp.Expr, convert: Convert) -> Expression:
    parts = [_text(convert(part), part) for part in node.flatten()]
    nested = [
        part.arguments if isinstance(part, Call) and part.function is Function.CONCAT else (part,) for part in parts
    ]
    return call(Function.CONCAT, VARCHAR, *(part for inner in nested for part in inner))


def _concat(node: exp.Expr, convert: Convert) -> Expression:
    parts = [_text(convert(part), part) for part in node.expressions]
    return call(Function.CONCAT, VARCHAR, *(call(Function.COALESCE, VARCHAR, p, Literal("", VARCHAR)) for p in parts))


def _textual(function: Function, type_: Type = VARCHAR) -> Callable[[exp.Expr, Convert], Expression]:
    def build(node: exp.Expr, convert: Convert) -> Expression:
        arguments = [_text(convert(node.this), node)]
        if isinstance(node.args.get("expression"), exp.Expr):
            arguments.append(_text(convert(node.expression), node))
        return call(function, type_, *arguments)

    return build


def _substring(node: exp.Expr, convert: Convert) -> Expression:
    start = node.args.get("start") or exp.Literal.number(1)
    length = node.args.get("length") or node.args.get("expression") or exp.Literal.number(1_000)
    for bound in (start, length):
        if not isinstance(bound, exp.Literal) or not bound.name.isdigit() or int(bound.name) > TEXT_LIMIT:
            raise refusal("unsupported-expression", "SUBSTRING needs a start and a length of 0 to 1,000.", node)
    places = [Literal(int(bound.name), INTEGER) for bound in (start, length)]
    return call(Function.SUBSTRING, VARCHAR, _text(convert(node.this), node), *places)


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


def _extract(node: exp.Expr, convert: Convert) -> Expression:
    function = _PARTS.get(node.name.upper())
    if function is None:
        raise refusal("unsupported-expression", f"EXTRACT of {node.name[:40]} is not supported.", node)
    return call(function, INTEGER, _dated(convert(node.expression), node))


def _part(function: Function) -> Callable[[exp.Expr, Convert], Expression]:
    return lambda node, convert: call(function, INTEGER, _dated(convert(node.this), node))


def _truncate(node: exp.Expr, convert: Convert) -> Expression:
    unit = str(node.args["unit"].name).upper()
    day = _dated(convert(node.this), node)
    if unit == "DAY":
        return day
    if unit not in ("YEAR", "QUARTER", "MONTH", "WEEK"):
        raise refusal("unsupported-expression", f"DATE_TRUNC to {unit[:40]} is not supported.", node)
    return call(Function(f"truncate_{unit.lower()}"), DATE, day)


def _date_diff(node: exp.Expr, convert: Convert) -> Expression:
    unit = node.args.get("unit")
    if unit is not None and str(unit.name).upper() != "DAY":
        raise refusal("unsupported-expression", "DATE_DIFF counts days only.", node)
    return call(
        Function.DAYS_BETWEEN, INTEGER, _dated(convert(node.this), node), _dated(convert(node.expression), node)
    )


def _round(node: exp.Expr, convert: Convert) -> Expression:
    value, places = _numeric(convert(node.this), node), node.args.get("decimals")
    scale = (
        int(places.name) if isinstance(places, exp.Literal) and places.name.isdigit() else 0 if places is None else -1
    )
    if not 0 <= scale <= SCALE_LIMIT:
        raise refusal("unsupported-expression", f"ROUND needs a number of decimals from 0 to {SCALE_LIMIT}.", node)
    return _in_scale(value, scale)


def _in_scale(value: Expression, scale: int) -> Expression:
    return rescaled(value, scale) if value.type.exact else call(Function.FROM_DOUBLE, exact_type(scale), value)


_INTEGERS = {"TINYINT", "SMALLINT", "INT", "BIGINT", "UTINYINT", "USMALLINT", "UINT"}


def _cast(node: exp.Expr, convert: Convert) -> Expression:
    value, target = convert(node.this), node.args["to"]
    name = target.this.name.upper()
    if name == "DATE":
        return _dated(value, node)
    if name in ("VARCHAR", "TEXT", "CHAR"):
        if value.type.kind in (Kind.INTEGER, Kind.DATE, Kind.BOOLEAN):
            return call(Function.TO_VARCHAR, VARCHAR, value)
        return _text(value, node)
    if name in ("DOUBLE", "FLOAT"):
        return _double(_numeric(value, node))
    if name == "DECIMAL":
        return _in_scale(_numeric(value, node), _decimal_scale(target))
    if name in _INTEGERS:
        if value.type in (VARCHAR, BOOLEAN) and not isinstance(value, Literal):
            return call(Function.TO_INTEGER, INTEGER, value)
        return _in_scale(_numeric(value, node), 0)
    if name == "BOOLEAN":
        return _condition(value, node)
    raise refusal("unsupported-expression", f"A cast to {name[:40]} is not supported on private rows.", node)


def _decimal_scale(target: exp.Expr) -> int:
    parameters = [str(p.this.name) for p in target.expressions]
    scale = parameters[1] if len(parameters) == 2 else "0" if parameters else "3"  # noqa: PLR2004
    if not scale.isdigit() or int(scale) > SCALE_LIMIT:
        raise refusal("unsupported-expression", f"Decimals have at most {SCALE_LIMIT} places.", target)
    return int(scale)


_HINTS: dict[type[exp.Expr], str] = {
    exp.Window: "Window functions run on released results: put them into an outer SELECT.",
    exp.Subquery: "Subqueries are possible in FROM and WITH.",
    exp.Exists: "Join the table and put the condition into WHERE or ON.",
}

_BUILDERS: dict[type[exp.Expr], Callable[[exp.Expr, Convert], Expression]] = {
    exp.Paren: lambda node, convert: convert(node.this),
    exp.Literal: _literal,
    exp.Boolean: lambda node, _: _bool(value=bool(node.this)),
    exp.Null: lambda _, __: Literal(None, NULL),
    exp.And: _connective(Function.AND),
    exp.Or: _connective(Function.OR),
    exp.Not: _not,
    exp.EQ: _compare(Function.EQUAL),
    exp.NEQ: _compare(Function.NOT_EQUAL),
    exp.LT: _compare(Function.LESS),
    exp.LTE: _compare(Function.LESS_EQUAL),
    exp.GT: _compare(Function.LESS, flipped=True),
    exp.GTE: _compare(Function.LESS_EQUAL, flipped=True),
    exp.NullSafeEQ: _compare(Function.SAME),
    exp.NullSafeNEQ: lambda node, convert: _negated(_compare(Function.SAME)(node, convert)),
    exp.Between: _between,
    exp.Is: _is,
    exp.In: _in,
    exp.Like: _like(Function.LIKE),
    exp.ILike: _like(Function.ILIKE),
    exp.Add: _sum(Function.ADD),
    exp.Sub: _sum(Function.SUBTRACT),
    exp.Mul: _product,
    exp.Div: _quotient,
    exp.IntDiv: _whole_quotient(Function.INTEGER_DIVIDE),
    exp.Mod: _whole_quotient(Function.MODULO),
    exp.Neg: _signed(Function.NEGATE),
    exp.Abs: _signed(Function.ABSOLUTE),
    exp.Case: _case,
    exp.If: _if,
    exp.Coalesce: _variadic(Function.COALESCE),
    exp.Greatest: _variadic(Function.GREATEST),
    exp.Least: _variadic(Function.LEAST),
    exp.Nullif: _null_if,
    exp.DPipe: _pipe,
    exp.Concat: _concat,
    exp.Lower: _textual(Function.LOWER),
    exp.Upper: _textual(Function.UPPER),
    exp.Trim: _textual(Function.TRIM),
    exp.Length: _textual(Function.LENGTH, INTEGER),
    exp.StartsWith: _textual(Function.STARTS_WITH, BOOLEAN),
    exp.Contains: _textual(Function.CONTAINS, BOOLEAN),
    exp.Substring: _substring,
    exp.Left: _substring,
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
    exp.Round: _round,
    exp.Cast: _cast,
    exp.TryCast: _cast,
}
