"""From a wanted accuracy to a price: the least ρ for which intervals are as narrow as was asked.

A pure function of the plan, like every price. The noise of a measure falls with 1/√ρ while its bound stays, so the plan
at one ρ tells about which ρ is needed; the plan at that ρ, with its own mechanism, then decides whether it is enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

from budgets.errors import InvalidPrivacyLossError
from budgets.privacy_loss import epsilon_of_rho
from queries.errors import PriceError, QueryNotPrivateError
from queries.expected import ExpectedError, Span
from queries.plan import NANO
from queries.planned import QueryPlan
from queries.planner import price
from queries.schema import Schema

PlanAt = Callable[[int], QueryPlan]
_NOMINAL = NANO  # the ρ from which is reckoned: large enough for the parts of a price to be exact
_FINEST = 10  # a search ends within 1/2**10 of the price


@dataclass(frozen=True, slots=True)
class Target:
    """The half width of an interval at this confidence, in the column's own units, that no row may exceed.

    Without a column it holds for every column whose error is known before private rows are read.
    """

    error: Fraction
    confidence: Fraction = Fraction(95, 100)
    column: str | None = None

    @property
    def standard_error(self) -> float:
        """The largest standard error that will do."""
        return float(self.error) / self.deviations

    @property
    def deviations(self) -> float:
        """How many standard errors make up a half width at this confidence."""
        return NormalDist().inv_cdf((1 + float(self.confidence)) / 2)


def most_epsilon(schema: Schema, max_epsilon: Fraction | None) -> Fraction:
    """What one query may take: the dataset's limit, or the caller's if that is lower."""
    most = schema.policy.query.max_epsilon
    return most if max_epsilon is None else min(max_epsilon, most)


def rho_for(target: Target, plan_at: PlanAt, schema: Schema, max_epsilon: Fraction | None) -> int:
    """The least nano-ρ that meets the target, up to 1/1,024 of it; `plan_at` gives the plan at a nano-ρ.

    Raises PriceError where that is more than one query may take, and QueryNotPrivateError where the error is not known
    beforehand.
    """
    cap = most_epsilon(schema, max_epsilon)
    limit = price(schema, cap, None, cap)
    nominal = plan_at(_NOMINAL)
    if not nominal.nodes and target.column is None:
        return limit  # nothing is released, so nothing is charged
    ratio = largest_error(nominal, target) / target.standard_error
    needed = max(1.0, _NOMINAL * ratio * ratio)
    if needed > limit:
        raise _exceeded(target, needed, limit, schema, cap)
    found = _least(math.ceil(needed), limit, lambda rho_nano: _meets(target, plan_at, rho_nano))
    if found is None:
        raise _exceeded(target, limit * (1 + 2**-_FINEST), limit, schema, cap)
    return found


def largest_error(plan: QueryPlan, target: Target) -> float:
    """The largest standard error of the columns that the target is about; refused where it is not known beforehand."""
    found = {expected.column: _known(expected) for expected in plan.errors}
    if target.column is None:
        known = [error for error in found.values() if error is not None]
        if not known:
            raise _not_plain("No column of this statement has an error that is known before it is asked.")
        return max(known)
    if target.column not in {output.name for output in plan.columns}:
        reason = f"The target names {target.column[:60]}, which is no column here."
        raise QueryNotPrivateError("unknown-alias", reason, hint="Name a column of the result.")
    error = found.get(target.column)
    if error is None:
        raise _not_plain(f"{target.column[:60]} has no error that is known before it is asked.")
    return error


def _known(expected: ExpectedError) -> float | None:
    error = expected.error
    return error.high if isinstance(error, Span) and math.isfinite(error.high) else None


def _least(guess: int, limit: int, meets: Callable[[int], bool]) -> int | None:
    """The least price from `guess` to `limit` that meets the target, or one slightly above; None if none does.

    The price is divided into whole parts, so that a little more than the guess may be needed, and noise must fit into
    64 bits, so that a wide target may need much more.
    """
    low, high, step = guess - 1, guess, 1
    while not meets(high):
        if high >= limit:
            return None
        low, high, step = high, min(limit, high + step), step * 2
    while high - low > max(1, high >> _FINEST):
        middle = (low + high) // 2
        low, high = (low, middle) if meets(middle) else (middle, high)
    return high


def _meets(target: Target, plan_at: PlanAt, rho_nano: int) -> bool:
    try:
        return largest_error(plan_at(rho_nano), target) <= target.standard_error
    except PriceError:
        return False  # too little to be divided
    except QueryNotPrivateError as error:
        if error.code != "bound-out-of-range":
            raise
        return False  # noise beyond 64 bits


def _exceeded(target: Target, needed: float, limit: int, schema: Schema, cap: Fraction) -> PriceError:
    """The refusal of a target beyond the limit, with the ε that it would take, and what the limit gives."""
    try:
        rho = Fraction(math.ceil(needed * (1 + 2**-_FINEST)), NANO)
        taken = f"an epsilon of {_rounded_up(epsilon_of_rho(rho, schema.policy.budget.conversion_delta))}"
    except (InvalidPrivacyLossError, OverflowError):
        taken = "an epsilon beyond all limits"
    ratio = math.sqrt(needed / limit)
    reached = f", which gives an error of {_rounded_up(Fraction(ratio) * target.error)}" if ratio < math.inf else ""
    wanted = f"An error of at most {float(target.error):g} at {float(target.confidence) * 100:g}% takes {taken}."
    most = f"One query may take at most {float(cap):g} here{reached}."
    return PriceError("max-epsilon-exceeded", f"{wanted} {most}")


def _rounded_up(number: Fraction) -> str:
    """To three significant digits."""
    places = 2 - math.floor(math.log10(max(float(number), 1e-9)))
    return f"{float(math.ceil(number * Fraction(10) ** places) / Fraction(10) ** places):,g}"


def _not_plain(reason: str) -> QueryNotPrivateError:
    hint = "Give a target for a COUNT or a SUM whose bound is known, as with l2_bound => 1000 in it, or give epsilon."
    return QueryNotPrivateError("target-not-plain", reason, hint=hint)
