"""CAST and TRY_CAST, which are one here: what cannot be converted is NULL."""

from __future__ import annotations

from sqlglot import exp

from queries.function_names import Function
from queries.parse import DIALECT, refusal
from queries.plan import BOOLEAN, INTEGER, SCALE_LIMIT, VARCHAR, Expression, Kind, Literal
from queries.scalars.operands import Build, Convert, as_condition, as_date, as_double, as_number, as_text, call, rounded

_TEXTS = frozenset({"VARCHAR", "TEXT", "CHAR"})
_DOUBLES = frozenset({"DOUBLE", "FLOAT"})
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INT", "BIGINT", "UTINYINT", "USMALLINT", "UINT"})
_TYPES_HINT = "Possible are integers, DECIMAL, DOUBLE, VARCHAR, DATE and BOOLEAN."
_DECIMAL_PLACES = "3"  # of DECIMAL without further words, as in DuckDB


def _cast(node: exp.Expr, convert: Convert) -> Expression:
    value, target = convert(node.this), node.args["to"]
    name = target.this.name.upper()
    if name == "DATE":
        return as_date(value, node)
    if name == "BOOLEAN":
        return as_condition(value, node)
    if name in _TEXTS:
        return _to_text(value, node)
    if name in _DOUBLES:
        return as_double(as_number(value, node))
    if name == "DECIMAL":
        return rounded(as_number(value, node), _decimal_scale(target))
    if name in _INTEGERS:
        return _to_integer(value, node)
    reason = f"A cast to {target.sql(dialect=DIALECT)[:40]} is not supported on private rows."
    raise refusal("unsupported-expression", reason, node, _TYPES_HINT)


def _to_text(value: Expression, node: exp.Expr) -> Expression:
    if value.type.kind in (Kind.INTEGER, Kind.DATE, Kind.BOOLEAN):
        return call(Function.TO_VARCHAR, VARCHAR, value)
    if value.type.kind in (Kind.DECIMAL, Kind.DOUBLE):
        reason, hint = "Only whole numbers become texts.", "CAST to INTEGER first, or group by the number itself."
        raise refusal("type-mismatch", reason, node, hint)
    return as_text(value, node)


def _to_integer(value: Expression, node: exp.Expr) -> Expression:
    if value.type in (VARCHAR, BOOLEAN) and not isinstance(value, Literal):
        return call(Function.TO_INTEGER, INTEGER, value)
    return rounded(as_number(value, node), 0)


def _decimal_scale(target: exp.Expr) -> int:
    parameters = [str(parameter.this.name) for parameter in target.expressions]
    scale = parameters[1] if len(parameters) == 2 else "0" if parameters else _DECIMAL_PLACES  # noqa: PLR2004
    if not scale.isdigit() or int(scale) > SCALE_LIMIT:
        hint = f"Write DECIMAL(18, {SCALE_LIMIT}), or DOUBLE."
        raise refusal("unsupported-expression", f"Decimals have at most {SCALE_LIMIT} places.", target, hint)
    return int(scale)


BUILDERS: dict[type[exp.Expr], Build] = {exp.Cast: _cast, exp.TryCast: _cast}
