"""Intervals: what is known of how far an estimate may be from the truth, and the ends that statements ask for.

An interval has two parts. The noise part is ± z standard errors. The clipping part says how far the figure would move
if nobody had been scaled down to a contribution bound: at most from `low` to `high`, which are not random.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from statistics import NormalDist

from sqlglot import exp

from queries.google_sql import IntervalHigh, IntervalLow
from queries.parse import refusal

CONFIDENCE = 0.95
_LEAST_CONFIDENCE, _MOST_CONFIDENCE = Decimal("0.5"), Decimal("0.999")
_ROLE = "role"  # a key of a node's meta data


@dataclass(frozen=True, slots=True)
class Source:
    """Noise of one measure of a release: equal where it is the same noise, under whatever name it was released.

    `release` and `measure` are the table and the number that one statement knows it by.
    """

    release: str
    measure: int
    what: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Source) and self.what == other.what

    def __hash__(self) -> int:
        return hash(self.what)


class OfRows(Enum):
    """Of which rows of a result the noise in a value is, seen from the value's own row."""

    OWN = "own"  # of its own row alone, so that values of different rows are independent
    OTHERS = "others"  # of other rows alone
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Estimate:
    """How far a value may be from the truth, as SQL: its noise's standard error, and the ends of its clipping part.

    `low` is at or below zero and `high` at or above it. An error that is NULL says that nothing is known.
    """

    error: exp.Expr
    low: exp.Expr
    high: exp.Expr
    noise: frozenset[Source] = frozenset()
    rows: OfRows = OfRows.OWN


def measured(number: int, noise: frozenset[Source]) -> Estimate:
    """What is known of the released measure m<number>: its own columns say it."""
    error, low, high = (exp.column(f"{kind}{number}", quoted=True) for kind in "slh")
    return Estimate(error, low, high, noise)


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


def bound(tree: exp.Expr, value: exp.Expr, estimate: Estimate | None) -> exp.Expr:
    """The end of the interval that `tree` asks for: value ± z·error and the clipping part, as the answer's own are.

    Raises QueryNotPrivateError where the value has no standard error, or the confidence is out of range.
    """
    if estimate is None:
        reason = "This has no interval: it is no estimate, or computed in a way that errors are not followed through."
        hint = "Sums, differences, products and ratios of COUNT, SUM and AVG have one. Name the alias of such a column."
        raise refusal("no-interval", reason, tree, hint)
    z = exp.cast(exp.Literal.string(repr(quantile(_confidence(tree)))), "DOUBLE")
    operator, role = (exp.Sub, "lower") if isinstance(tree, IntervalLow) else (exp.Add, "upper")
    width = exp.Mul(this=z, expression=exp.Paren(this=estimate.error.copy()))
    noised = exp.Paren(this=operator(this=as_double(value), expression=width))
    clipped = estimate.low if isinstance(tree, IntervalLow) else estimate.high
    end: exp.Expr = exp.Paren(this=exp.Add(this=noised, expression=exp.Paren(this=clipped.copy())))
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


def is_measure(node: exp.Expr) -> bool:
    """Whether the node is a released measure m<n>."""
    return isinstance(node, exp.Column) and node.name.startswith("m") and node.name[1:].isdigit()


def as_double(tree: exp.Expr) -> exp.Expr:
    """The value as a floating-point number."""
    return exp.cast(exp.Paren(this=tree.copy()), "DOUBLE")
