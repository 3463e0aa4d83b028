"""Standard errors of expressions over released measures, as SQL: first-order propagation (the delta method).

The measures m0, m1, … of one released row have independent noise of known standard deviations s0, s1, …. For f(m), the
standard error is √Σ_j (∂f/∂m_j · s_j)²: exact for sums and multiples, first order for products and ratios (it is too
small where a denominator is not far from zero in terms of its own noise).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from statistics import NormalDist

from sqlglot import exp

from queries.google_sql import IntervalHigh, IntervalLow
from queries.parse import refusal, walk

CONFIDENCE = 0.95
_LEAST_CONFIDENCE, _MOST_CONFIDENCE = Decimal("0.5"), Decimal("0.999")
_ROLE = "role"  # a key of a node's meta data
Slopes = dict[str, exp.Expr]


def quantile(confidence: float) -> float:
    """How many standard errors the interval reaches to either side."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def is_bound(tree: exp.Expr) -> bool:
    """Whether this is one end of an interval: DP_INTERVAL_LOW or DP_INTERVAL_HIGH."""
    return isinstance(tree, IntervalLow | IntervalHigh)


def role_of_bound(tree: exp.Expr) -> str | None:
    """The role of a column that is made by `bound`; None for all others."""
    role = tree.meta.get(_ROLE)
    return role if isinstance(role, str) else None


def bound(tree: exp.Expr, estimate: exp.Expr, error: exp.Expr | None) -> exp.Expr:
    """The end of the interval that `tree` asks for: estimate ± z·error, computed as the answer's own bounds are.

    Raises QueryNotPrivateError where the estimate has no standard error, or the confidence is out of range.
    """
    if error is None:
        reason = "This has no interval: it is no estimate, or computed in a way that errors are not followed through."
        hint = "Sums, differences, products and ratios of COUNT, SUM and AVG have one. Name the alias of such a column."
        raise refusal("no-interval", reason, tree, hint)
    z = exp.cast(exp.Literal.string(repr(quantile(_confidence(tree)))), "DOUBLE")
    operator, role = (exp.Sub, "lower") if isinstance(tree, IntervalLow) else (exp.Add, "upper")
    width = exp.Mul(this=z, expression=exp.Paren(this=error.copy()))
    end: exp.Expr = exp.Paren(this=operator(this=_double(estimate), expression=width))
    end.meta[_ROLE] = role
    return end


def _confidence(tree: exp.Expr) -> float:
    written = tree.args.get("expression")
    if written is None:
        return CONFIDENCE
    try:
        number = Decimal(written.name if isinstance(written, exp.Literal) else "")
    except InvalidOperation:
        number = Decimal(0)
    if not _LEAST_CONFIDENCE <= number <= _MOST_CONFIDENCE:
        reason = "A confidence is a number from 0.5 to 0.999."
        raise refusal("no-interval", reason, tree, hint="Leave it out for 0.95.")
    return float(number)


def standard_error(tree: exp.Expr) -> exp.Expr | None:
    """The standard error of the expression; None if it holds no measure, or is made of more than +, −, ×, ÷ and √.

    The ends of an interval have none: an error is in them as a number.
    """
    slopes = None if any(_is_deviation(node) for node in walk(tree)) else _slopes(tree)
    if not slopes:
        return None
    if len(slopes) == 1:
        (name, slope), *_ = slopes.items()
        return _times(exp.Abs(this=slope), _deviation(name)) if slope != _one() else _deviation(name)
    squares = [
        exp.Pow(this=_times(slope, _deviation(name)), expression=exp.Literal.number(2))
        for name, slope in slopes.items()
    ]
    total: exp.Expr = squares[0]
    for square in squares[1:]:
        total = exp.Add(this=total, expression=square)
    return exp.Sqrt(this=total)


def _slopes(tree: exp.Expr) -> Slopes | None:
    """∂tree/∂m_j for each measure; None if a measure stands where it cannot be differentiated."""
    if isinstance(tree, exp.Column):
        return {tree.name: _one()} if is_measure(tree) else {}
    if not any(is_measure(node) for node in walk(tree)):
        return None if any(isinstance(node, exp.Query) for node in tree.walk()) else {}
    if isinstance(tree, exp.Paren | exp.Cast):
        return _slopes(tree.this)
    if isinstance(tree, exp.Nullif | exp.Greatest) and _guards_zero(tree):
        return _slopes(tree.this)
    if isinstance(tree, exp.Sqrt):
        inner = _slopes(tree.this)
        root = exp.Nullif(this=exp.Mul(this=exp.Literal.number(2), expression=tree), expression=exp.Literal.number(0))
        outer = exp.Div(this=_one(), expression=root)
        return None if inner is None else {name: _times(slope, outer) for name, slope in inner.items()}
    if isinstance(tree, exp.Neg):
        inner = _slopes(tree.this)
        return None if inner is None else {name: _times(exp.Literal.number(-1), slope) for name, slope in inner.items()}
    if isinstance(tree, exp.Add | exp.Sub | exp.Mul | exp.Div):
        left, right = _slopes(tree.this), _slopes(tree.expression)
        return None if left is None or right is None else _combined(tree, left, right)
    return None


def _combined(tree: exp.Expr, left: Slopes, right: Slopes) -> Slopes:
    one, other = _double(tree.this), _double(tree.expression)
    if isinstance(tree, exp.Mul):
        outer, inner = other, one
    elif isinstance(tree, exp.Div):
        outer = exp.Div(this=_one(), expression=other)
        square = exp.Pow(this=other, expression=exp.Literal.number(2))
        inner = exp.Neg(this=exp.Paren(this=exp.Div(this=one, expression=square)))
    else:
        outer = _one()
        inner = _one() if isinstance(tree, exp.Add) else exp.Literal.number(-1)
    total = {name: _times(slope, outer) for name, slope in left.items()}
    for name, slope in right.items():
        part = _times(slope, inner)
        total[name] = exp.Paren(this=exp.Add(this=total[name], expression=part)) if name in total else part
    return total


def _times(one: exp.Expr, other: exp.Expr) -> exp.Expr:
    if one == _one():
        return other.copy()
    if other == _one():
        return one.copy()
    return exp.Mul(this=exp.Paren(this=one.copy()), expression=exp.Paren(this=other.copy()))


def is_measure(node: exp.Expr) -> bool:
    """Whether the node is a released measure m<n>."""
    return isinstance(node, exp.Column) and node.name.startswith("m") and node.name[1:].isdigit()


def _is_deviation(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and node.name.startswith("s") and node.name[1:].isdigit()


def _guards_zero(tree: exp.Expr) -> bool:
    others = [tree.expression] if isinstance(tree, exp.Nullif) else tree.expressions
    return all(isinstance(other, exp.Literal) and other.name == "0" for other in others)


def _deviation(measure: str) -> exp.Expr:
    return exp.column(f"s{measure[1:]}", quoted=True)


def _double(tree: exp.Expr) -> exp.Expr:
    return exp.cast(exp.Paren(this=tree.copy()), "DOUBLE")


def _one() -> exp.Expr:
    return exp.Literal.number(1)
