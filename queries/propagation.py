"""Errors of expressions over estimates, as SQL: first-order propagation (the delta method), made safe for quotients.

For f of values x_j with errors s_j and slopes g_j = ∂f/∂x_j, the standard error is √Σ (g_j·s_j)², where the noise of
the x_j is independent; where two share noise their parts are added up as they are, which is never too little. The
clipping part is Σ min(g_j·low_j, g_j·high_j) to Σ max(…): the worst case, because nobody knows who was scaled down.

First order is too narrow where a denominator is not far from zero by its own noise. With L the first-order error of
a/b, exactly a/b - α/β = L / (1 - e/b), where e is what b is off: so slopes are widened by 1 / (1 - z·s_b/|b|), by which
the interval holds Fieller's (1954), and errors are NULL where b is within z of its standard errors of zero.
Logarithms and roots are widened in the same way. ABS, ROUND, GREATEST and LEAST with constants never move further than
what is in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlglot import exp

from queries.intervals import CONFIDENCE, Estimate, OfRows, Source, as_double, quantile

Slopes = dict[str, exp.Expr]  # by the value's key
_Z = repr(quantile(CONFIDENCE))
_SHORT = 8  # nodes
_TWO = exp.Literal.number(2)


class UnfollowedError(Exception):
    """Something stands in the expression that errors are not followed through."""


@dataclass(slots=True)
class Parts:
    """Columns of what a SELECT reads from, for what its hidden columns use several times: _g<n>, each made once.

    Engines take long to plan what repeats itself, so each part is a column of a subquery that later parts read from.
    """

    names: dict[exp.Expr, str] = field(default_factory=dict)
    stages: list[list[exp.Expr]] = field(default_factory=list)

    def column(self, tree: exp.Expr) -> exp.Expr:
        """The column that stands for the expression; itself where it is short, or a constant."""
        if len(list(islice(tree.walk(), _SHORT))) < _SHORT or tree.find(exp.Column) is None:
            return tree
        name = self.names.get(tree) or self._named(tree)
        return exp.column(name, quoted=True)

    def _named(self, tree: exp.Expr) -> str:
        used = {column.name for column in tree.find_all(exp.Column)}
        stage = next((n for n in range(len(self.stages), 0, -1) if used & {p.alias for p in self.stages[n - 1]}), 0)
        self.stages += [[]] if stage == len(self.stages) else []
        name = self.names[tree] = f"_g{len(self.names)}"
        self.stages[stage].append(exp.alias_(tree, name, quoted=True))
        return name

    def read_from(self, source: exp.Expr, where: exp.Expr | None = None) -> exp.Expr:
        """The source, as far as the condition holds, with the parts as further columns under the same alias."""
        alias = exp.TableAlias(this=exp.to_identifier(source.alias_or_name, quoted=True))
        inner = source
        for number, stage in enumerate(self.stages):
            select = exp.Select(expressions=[exp.Star(), *stage])
            select.set("from_", exp.From(this=inner))
            if number == 0 and where is not None:
                select.set("where", where)
            inner = exp.Subquery(this=select, alias=alias.copy())
        return inner


class Propagation:
    """The errors of expressions over some estimates; what these are, a subclass says."""

    def __init__(self, parts: Parts | None = None) -> None:
        self._estimates: dict[str, Estimate] = {}
        self._parts = parts

    def estimate(self, tree: exp.Expr) -> Estimate | None:
        """What is known of the expression's error; None if it has none, or none that is followed."""
        try:
            slopes = self.slopes(tree)
        except UnfollowedError:
            return None
        return self._combined(slopes) if slopes else None

    def slopes(self, tree: exp.Expr) -> Slopes:
        """∂tree/∂x for each estimate x in it; raises UnfollowedError."""
        own = self._own(tree)
        return _RULES.get(type(tree), _constant)(self, tree) if own is None else own

    def take(self, key: str, estimate: Estimate) -> Slopes:
        """The slopes of an estimate by itself."""
        self._estimates[key] = estimate
        return {key: one()}

    def shared(self, tree: exp.Expr) -> exp.Expr:
        """What stands for the expression where it is used several times."""
        return tree if self._parts is None else self._parts.column(tree)

    def _own(self, tree: exp.Expr) -> Slopes | None:
        """The slopes of a leaf: of a column, a subquery or an aggregate; None for all else."""
        raise NotImplementedError

    def _combined(self, slopes: Slopes) -> Estimate:
        found = [(self.shared(slope), self._estimates[key]) for key, slope in slopes.items()]
        errors = [_squares(part) for part in _sharing(found)]
        error = errors[0] if len(errors) == 1 else exp.Sqrt(this=added([_squared(each) for each in errors]))
        noise = frozenset[Source]().union(*(estimate.noise for _, estimate in found))
        return Estimate(
            error,
            added([_end(exp.Least, slope, estimate) for slope, estimate in found]),
            added([_end(exp.Greatest, slope, estimate) for slope, estimate in found]),
            noise,
            _rows(estimate.rows for _, estimate in found),
        )

    def bounded(self, tree: exp.Expr, slopes: Slopes, ends: Callable[[Estimate], tuple[exp.Expr, exp.Expr]]) -> Slopes:
        """The slopes of a function that moves no further than what is in it: an estimate of its own."""
        if not slopes:
            return {}
        inner = self._combined(slopes)
        low, high = ends(inner)
        return self.take(tree.sql(), Estimate(inner.error, low, high, inner.noise, inner.rows))

    def widening(self, value: exp.Expr, slopes: Slopes) -> exp.Expr:
        """1 / (1 - e/|value|), where e is how far it may be nearer to zero; NULL where it may be zero."""
        least = exp.Greatest(this=self.left(value, slopes), expressions=[_zero()], ignore_nulls=True)
        return self.shared(exp.Div(this=exp.Abs(this=value.copy()), expression=_not_zero(least)))

    def left(self, value: exp.Expr, slopes: Slopes) -> exp.Expr:
        """What is left of |value| at that end of its interval that is nearer to zero; below zero if zero is in it."""
        found = self._combined(slopes)
        clipped = exp.Case(default=found.high.copy()).when(_above_zero(value), exp.Neg(this=_in(found.low)))
        noise = exp.Mul(this=_number(_Z), expression=_in(found.error))
        noised = exp.Sub(this=exp.Abs(this=value.copy()), expression=noise)
        return exp.Sub(this=noised, expression=clipped)


def one() -> exp.Expr:
    """The slope of a value by itself."""
    return exp.Literal.number(1)


def times(left: exp.Expr, right: exp.Expr) -> exp.Expr:
    """The product, without factors of one."""
    if left == one():
        return right.copy()
    return left.copy() if right == one() else exp.Mul(this=_in(left), expression=_in(right))


def added(parts: Sequence[exp.Expr]) -> exp.Expr:
    """The sum of the parts."""
    total = parts[0]
    for part in parts[1:]:
        total = exp.Add(this=total, expression=part)
    return total


def scaled(slopes: Mapping[str, exp.Expr], factor: exp.Expr) -> Slopes:
    """The slopes times the factor."""
    return {key: times(slope, factor) for key, slope in slopes.items()}


def _sharing(found: Sequence[tuple[exp.Expr, Estimate]]) -> list[list[tuple[exp.Expr, Estimate]]]:
    """The parts in groups that share no noise with one another."""
    groups: list[list[tuple[exp.Expr, Estimate]]] = []
    for slope, estimate in found:
        beside = [group for group in groups if any(_share(estimate, other) for _, other in group)]
        groups = [group for group in groups if group not in beside]
        groups.append([*(part for group in beside for part in group), (slope, estimate)])
    return groups


def _share(left: Estimate, right: Estimate) -> bool:
    apart = {left.rows, right.rows} == {OfRows.OWN, OfRows.OTHERS}
    return not apart and bool(left.noise & right.noise)


def _rows(rows: Iterable[OfRows]) -> OfRows:
    found = set(rows)
    return found.pop() if len(found) == 1 else OfRows.ANY


def _squares(part: Sequence[tuple[exp.Expr, Estimate]]) -> exp.Expr:
    return added([_size(slope, estimate.error) for slope, estimate in part])


def _size(slope: exp.Expr, error: exp.Expr) -> exp.Expr:
    return error.copy() if slope == one() else times(exp.Abs(this=slope.copy()), error)


def _squared(size: exp.Expr) -> exp.Expr:
    return exp.Pow(this=_in(size), expression=_TWO.copy())


def _end(kind: type[exp.Least | exp.Greatest], slope: exp.Expr, estimate: Estimate) -> exp.Expr:
    low, high = estimate.low, estimate.high
    if slope == one():
        return (low if kind is exp.Least else high).copy()
    if slope == _minus_one():
        return exp.Neg(this=_in(high if kind is exp.Least else low))
    return kind(this=times(slope, low), expressions=[times(slope, high)], ignore_nulls=True)


def _inner(propagation: Propagation, tree: exp.Expr) -> Slopes:
    return propagation.slopes(tree.this)


def _constant(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """No slopes: raises UnfollowedError if an estimate is in it after all."""
    for child in tree.iter_expressions():
        if propagation.slopes(child):
            raise UnfollowedError
    return {}


def _beside_constants(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """The slopes of the one argument that is no constant."""
    found = [slopes for child in tree.iter_expressions() if (slopes := propagation.slopes(child))]
    if len(found) > 1:
        raise UnfollowedError
    return found[0] if found else {}


def _first_of(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """COALESCE(x, constants): where x is NULL, its error is."""
    if any(propagation.slopes(other) for other in tree.expressions):
        raise UnfollowedError
    return propagation.slopes(tree.this)


def _nullif(propagation: Propagation, tree: exp.Expr) -> Slopes:
    return propagation.slopes(tree.this) if _is_zero([tree.expression]) else _constant(propagation, tree)


def _limited(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """GREATEST and LEAST with constants; GREATEST(x, 0) stands for x itself in what aggregates are made of."""
    slopes = _beside_constants(propagation, tree)
    if isinstance(tree, exp.Greatest) and _is_zero(tree.expressions):
        return slopes
    return propagation.bounded(tree, slopes, lambda inner: (inner.low, inner.high))


def _absolute(propagation: Propagation, tree: exp.Expr) -> Slopes:
    def ends(inner: Estimate) -> tuple[exp.Expr, exp.Expr]:
        low = exp.Neg(this=_in(inner.low))
        most = exp.Greatest(this=low, expressions=[inner.high.copy()], ignore_nulls=True)
        return exp.Neg(this=_in(most)), most.copy()

    return propagation.bounded(tree, propagation.slopes(tree.this), ends)


def _rounded(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """ROUND(x, n) is within half a unit of x, which stands beside the clipping part: it is not random either."""
    places = tree.args.get("decimals")
    half: exp.Expr = exp.Literal.number("0.5")
    if places is not None:
        power = exp.Pow(this=exp.cast(exp.Literal.number(10), "DOUBLE"), expression=exp.Neg(this=_in(places)))
        half = exp.Mul(this=half, expression=power)
    if tree.args.get("truncate") or (places is not None and propagation.slopes(places)):
        raise UnfollowedError

    def ends(inner: Estimate) -> tuple[exp.Expr, exp.Expr]:
        return exp.Sub(this=_in(inner.low), expression=half), exp.Add(this=_in(inner.high), expression=half.copy())

    return propagation.bounded(tree, propagation.slopes(tree.this), ends)


def _negative(propagation: Propagation, tree: exp.Expr) -> Slopes:
    return scaled(propagation.slopes(tree.this), _minus_one())


def _sum(propagation: Propagation, tree: exp.Expr) -> Slopes:
    sign = _minus_one() if isinstance(tree, exp.Sub) else one()
    return _both(propagation.slopes(tree.this), scaled(propagation.slopes(tree.expression), sign))


def _product(propagation: Propagation, tree: exp.Expr) -> Slopes:
    left, right = propagation.slopes(tree.this), propagation.slopes(tree.expression)
    return _both(scaled(left, as_double(tree.expression)), scaled(right, as_double(tree.this)))


def _quotient(propagation: Propagation, tree: exp.Expr) -> Slopes:
    left, right = propagation.slopes(tree.this), propagation.slopes(tree.expression)
    divisor = propagation.shared(as_double(tree.expression)) if left or right else tree.expression
    if not right:
        return scaled(left, exp.Div(this=one(), expression=divisor.copy()))
    wider = propagation.widening(divisor, right)
    square = exp.Pow(this=divisor.copy(), expression=_TWO.copy())
    by_right = exp.Neg(this=_in(exp.Div(this=propagation.shared(as_double(tree.this)), expression=square)))
    by_left = times(exp.Div(this=one(), expression=divisor.copy()), wider)
    return _both(scaled(left, by_left), scaled(right, propagation.shared(times(by_right, wider))))


def _root(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """|√a - √α| = |a - α| / (√a + √α), where α is at least what is left of a at the end of its interval."""
    slopes = propagation.slopes(tree.this)
    if not slopes:
        return {}
    value = propagation.shared(as_double(tree.this))
    least = exp.Greatest(this=propagation.left(value, slopes), expressions=[_zero()], ignore_nulls=True)
    roots = exp.Add(this=exp.Sqrt(this=value.copy()), expression=exp.Sqrt(this=least))
    return scaled(slopes, propagation.shared(exp.Div(this=one(), expression=_not_zero(exp.Paren(this=roots)))))


def _power(propagation: Propagation, tree: exp.Expr) -> Slopes:
    """Squares only."""
    if tree.expression != _TWO:
        return _constant(propagation, tree)
    return scaled(propagation.slopes(tree.this), exp.Mul(this=_TWO.copy(), expression=as_double(tree.this)))


def _logarithm(propagation: Propagation, tree: exp.Expr) -> Slopes:
    slopes = propagation.slopes(tree.this)
    if not slopes:
        return {}
    value = propagation.shared(as_double(tree.this))
    slope = exp.Div(this=one(), expression=_not_zero(value.copy()))
    return scaled(slopes, times(slope, propagation.widening(value, slopes)))


def _both(left: Slopes, right: Slopes) -> Slopes:
    total = dict(left)
    for key, part in right.items():
        total[key] = exp.Paren(this=exp.Add(this=total[key], expression=part)) if key in total else part
    return total


def _is_zero(trees: Sequence[exp.Expr]) -> bool:
    return all(isinstance(tree, exp.Literal) and tree.name == "0" for tree in trees)


def _not_zero(tree: exp.Expr) -> exp.Expr:
    return exp.Nullif(this=tree, expression=_zero())


def _above_zero(value: exp.Expr) -> exp.Expr:
    return exp.GT(this=value.copy(), expression=_zero())


def _number(text: str) -> exp.Expr:
    return exp.cast(exp.Literal.string(text), "DOUBLE")


def _zero() -> exp.Expr:
    return exp.Literal.number(0)


def _minus_one() -> exp.Expr:
    return exp.Neg(this=exp.Literal.number(1))


def _in(tree: exp.Expr) -> exp.Expr:
    """In parentheses, where it has to be."""
    plain = isinstance(tree, exp.Column | exp.Paren | exp.Literal | exp.Func) and not isinstance(tree, exp.Binary)
    return tree.copy() if plain else exp.Paren(this=tree.copy())


_RULES: Mapping[type[exp.Expr], Callable[[Propagation, exp.Expr], Slopes]] = {
    **dict.fromkeys((exp.Paren, exp.Cast), _inner),
    **dict.fromkeys((exp.Add, exp.Sub), _sum),
    **dict.fromkeys((exp.Greatest, exp.Least), _limited),
    exp.Nullif: _nullif,
    exp.Coalesce: _first_of,
    exp.Abs: _absolute,
    exp.Round: _rounded,
    exp.Neg: _negative,
    exp.Mul: _product,
    exp.Div: _quotient,
    exp.Sqrt: _root,
    exp.Pow: _power,
    exp.Ln: _logarithm,
}
