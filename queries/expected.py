"""What is known of a column's standard error before any private row is read.

A standard error is SQL over the noise s0, s1, … of released measures (`intervals.py`). Where it holds nothing else but
constants, it is a number that the plan decides: so it is for linear combinations of counts and sums, and it falls with
1/√ρ. Ratios and products hold released values, and a factor that is a key differs from group to group.

Subtotals add up the squares of their groups: of at least one group and at most all of them, hence a span of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import product

from sqlglot import exp

from queries.intervals import is_measure
from queries.rows import Output


class Unknown(IntEnum):
    """Why a standard error is not known beforehand; of several reasons the highest counts."""

    COMPLEX = 1  # made of functions that are not worked out here
    GROUP = 2  # a key of the group is in it
    DATA = 3  # a released value is in it
    BOUND = 4  # the bound of a measure is still to be chosen


@dataclass(frozen=True, slots=True)
class Span:
    """From the lowest to the highest value that an expression has in the rows of a result."""

    low: float
    high: float

    @classmethod
    def of(cls, value: float) -> Span:
        """The span of one value."""
        return cls(value, value)

    @classmethod
    def over(cls, values: Iterable[float]) -> Span | Unknown:
        """The span of these values; unknown where one of them is not a number."""
        found = tuple(values)
        return Unknown.COMPLEX if any(math.isnan(value) for value in found) else cls(min(found), max(found))


Known = Span | Unknown
Released = Mapping[str, Sequence["Noise"]]  # by table


@dataclass(frozen=True, slots=True)
class Noise:
    """The standard errors s<number> of one release, and how many groups it has: None where a threshold decides."""

    release: str
    errors: Mapping[int, Span | Unknown]
    groups: int | None


@dataclass(frozen=True, slots=True)
class ExpectedError:
    """An estimate's standard error as far as it is known beforehand; `release` is where its noise comes from.

    It is None of an estimate that is made of sums and of different values, which are two releases.
    """

    column: str
    release: str | None
    error: Known


def expected_errors(tree: exp.Query, outputs: Iterable[Output], released: Released) -> tuple[ExpectedError, ...]:
    """The expected error of each output that has an interval, in order; `released` has the releases of each table."""
    return tuple(
        _expected(tree, output.name, output.hidden.error, released) for output in outputs if output.hidden is not None
    )


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the result that shows the key k<number> of a release, unchanged."""

    column: str
    release: str
    number: int


def key_columns(tree: exp.Query, outputs: Iterable[Output], released: Collection[str]) -> tuple[KeyColumn, ...]:
    """The columns that show keys, in order."""
    found = ((output.name, _origin(tree, output.name, released)) for output in outputs)
    return tuple(KeyColumn(name, *origin) for name, origin in found if origin is not None)


def _origin(tree: exp.Expr, name: str, released: Collection[str]) -> tuple[str, int] | None:
    """The release and the number of the key that a query's column passes on."""
    body, select = _projected(tree, name)
    source = _source_of(body, select) if isinstance(body, exp.Column) and select is not None else None
    if source is None or not isinstance(body, exp.Column):
        return None
    if isinstance(source, exp.Subquery):
        return _origin(source, body.name, released)
    is_key = source.name in released and body.name[:1] == "k" and body.name[1:].isdigit()
    return (source.name, int(body.name[1:])) if is_key else None


def _expected(tree: exp.Query, name: str, error: str, released: Released) -> ExpectedError:
    reader = _Reader(released)
    try:
        found = reader.column(tree, error)
    except RecursionError:
        found = Unknown.COMPLEX
    return ExpectedError(name, reader.releases.pop() if len(reader.releases) == 1 else None, found)


class _Reader:
    """Reads one column's value off the statement, through its subqueries down to the release."""

    def __init__(self, released: Released) -> None:
        self._released = released
        self.releases: set[str] = set()

    def column(self, tree: exp.Expr, name: str) -> Known:
        """The value of a query's column."""
        body, select = _projected(tree, name)
        return Unknown.COMPLEX if body is None or select is None else self._value(body, select)

    def _value(self, tree: exp.Expr, select: exp.Select) -> Known:
        if isinstance(tree, exp.Column):
            return self._resolved(tree, select)
        if isinstance(tree, exp.Literal) and not tree.is_string:
            return Span(float(tree.name), float(tree.name))
        if isinstance(tree, exp.Window):
            return Unknown.COMPLEX
        if isinstance(tree, exp.Case) and _is_guard(tree):
            return self._value(tree.args["ifs"][0].args["true"], select)
        parts = [self._value(part, select) for part in _operands(tree)]
        if isinstance(tree, exp.Sum) and isinstance(parts[0], Span):
            return self._summed(parts[0], select)
        compute = _COMPUTED.get(type(tree))
        unknown = [part for part in parts if isinstance(part, Unknown)]
        if compute is None or unknown or not _is_plain(tree):
            return max(unknown, default=Unknown.COMPLEX)
        return compute(*[part for part in parts if isinstance(part, Span)])

    def _resolved(self, column: exp.Column, select: exp.Select) -> Known:
        source = _source_of(column, select)
        if source is None or isinstance(source, exp.Subquery):
            return Unknown.COMPLEX if source is None else self.column(source, column.name)
        noise = self._released.get(source.name)
        if noise is None:
            return Unknown.GROUP
        if is_measure(column):
            return Unknown.DATA
        if not column.name.startswith("s"):
            return Unknown.GROUP
        found = [(each.release, each.errors.get(int(column.name[1:]))) for each in noise]
        for release, error in found:
            if isinstance(error, Span):
                self.releases.add(release)
            if error is not None:
                return error
        return Unknown.DATA  # of a quantile

    def _summed(self, part: Span, select: exp.Select) -> Known:
        """A sum over one group at the least, and over all groups at the most."""
        noise = [self._released.get(source.name) for source in _sources(select)]
        if len(noise) != 1 or noise[0] is None:
            return Unknown.COMPLEX
        return Span.over((part.low, part.high * (noise[0][0].groups or math.inf)))


def _sources(select: exp.Select) -> list[exp.Expr]:
    clause = select.args.get("from_")
    joins = select.args.get("joins") or []
    return [] if clause is None else [clause.this, *(join.this for join in joins)]


def _projected(tree: exp.Expr, name: str) -> tuple[exp.Expr | None, exp.Select | None]:
    """What a query's column is, and the SELECT that it stands in: a further one where * passes it on."""
    while isinstance(tree, exp.Subquery):
        tree = tree.this
    if not isinstance(tree, exp.Select):
        return None, None
    found = next((part.unalias() for part in tree.expressions if part.alias_or_name == name), None)
    if found is not None or not any(isinstance(part, exp.Star) for part in tree.expressions):
        return found, tree
    (source, *_) = _sources(tree)
    return _projected(source, name) if isinstance(source, exp.Subquery) else (exp.column(name), tree)


def _source_of(column: exp.Column, select: exp.Select) -> exp.Expr | None:
    """The table or subquery that the column is of."""
    return next((s for s in _sources(select) if column.table in ("", s.alias_or_name)), None)


def _operands(tree: exp.Expr) -> list[exp.Expr]:
    return [part for part in tree.iter_expressions() if not isinstance(part, exp.DataType)]


def _is_guard(tree: exp.Case) -> bool:
    """Whether this is the error of a sum, which is NULL where one of its values has none."""
    (first, *more), other = tree.args["ifs"], tree.args.get("default")
    condition = first.this
    counts = isinstance(condition, exp.EQ) and isinstance(condition.this, exp.Count)
    return counts and not more and other is None


def _is_plain(tree: exp.Expr) -> bool:
    """Whether nothing but the operands decides the value: a cast to another type than DOUBLE rounds."""
    if isinstance(tree, exp.Cast):
        return bool(tree.to.is_type("DOUBLE"))
    return not isinstance(tree, exp.Pow) or (isinstance(tree.expression, exp.Literal) and tree.expression.name == "2")


def _corners(function: Callable[[float, float], float]) -> Callable[[Span, Span], Known]:
    """The function over spans: it is monotone in each argument, so that its extremes lie at the ends."""

    def compute(one: Span, other: Span) -> Known:
        return Span.over(function(x, y) for x, y in product((one.low, one.high), (other.low, other.high)))

    return compute


def _quotient(one: Span, other: Span) -> Known:
    if other.low <= 0 <= other.high:
        return Unknown.COMPLEX
    return _corners(lambda x, y: x / y)(one, other)


def _absolute(one: Span) -> Span:
    ends = (abs(one.low), abs(one.high))
    return Span(0.0 if one.low <= 0 <= one.high else min(ends), max(ends))


def _squared(one: Span, _: Span) -> Known:
    size = _absolute(one)
    return Span(size.low * size.low, size.high * size.high)


def _root(one: Span) -> Known:
    return Unknown.COMPLEX if one.low < 0 else Span(math.sqrt(one.low), math.sqrt(one.high))


_COMPUTED: Mapping[type[exp.Expr], Callable[..., Known]] = {
    exp.Paren: lambda one: one,
    exp.Cast: lambda one: one,
    exp.Neg: lambda one: Span(-one.high, -one.low),
    exp.Add: _corners(lambda x, y: x + y),
    exp.Sub: _corners(lambda x, y: x - y),
    exp.Mul: _corners(lambda x, y: x * y),
    exp.Div: _quotient,
    exp.Abs: _absolute,
    exp.Pow: _squared,
    exp.Sqrt: _root,
}
