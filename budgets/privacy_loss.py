"""What a release may lose, in integers, and the tight conversion between zCDP and (epsilon, delta).

Never to change meaning: a `PrivacyLoss` is an upper bound, `rho_nano` counts 1e-9 of zCDP rho, `delta_atto` counts
1e-18 of delta, and stored numbers are compared across versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from budgets.errors import InvalidPrivacyLossError

RHO_UNITS: Final = 10**9
DELTA_UNITS: Final = 10**18
LARGEST: Final = 2**62

_GRID: Final = Fraction(1, 10**9)  # epsilon is rounded up to a multiple of this
_SLACK: Final = Fraction(1, 10**20)  # covers every rounding of the 60-digit arithmetic below
_CONTEXT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SMALLEST_ORDER_GAP: Final = 1e-30
_LARGEST_ORDER_GAP: Final = 1e30


@dataclass(frozen=True, slots=True)
class PrivacyLoss:
    """An amount of privacy: delta-approximate rho-zCDP (arXiv:1605.02065, definition 8.1), which composes by addition.

    >>> PrivacyLoss(3, 1) + PrivacyLoss(4)
    PrivacyLoss(rho_nano=7, delta_atto=1)
    """

    rho_nano: int
    delta_atto: int = 0

    def __post_init__(self) -> None:
        """Raises InvalidPrivacyLossError unless both are true integers from 0 to 2**62."""
        for amount in (self.rho_nano, self.delta_atto):
            if type(amount) is not int or not 0 <= amount <= LARGEST:
                raise InvalidPrivacyLossError("A privacy loss is made of integers from 0 to 2**62.")

    def __add__(self, other: PrivacyLoss) -> PrivacyLoss:
        """Returns what two releases lose together, also when the second was chosen after seeing the first."""
        return PrivacyLoss(self.rho_nano + other.rho_nano, self.delta_atto + other.delta_atto)

    def fits_within(self, cap: PrivacyLoss) -> bool:
        """Says whether neither part exceeds the cap's."""
        return self.rho_nano <= cap.rho_nano and self.delta_atto <= cap.delta_atto

    def minus(self, other: PrivacyLoss) -> PrivacyLoss:
        """Returns the difference, each part at least zero.

        >>> PrivacyLoss(5, 1).minus(PrivacyLoss(2, 3))
        PrivacyLoss(rho_nano=3, delta_atto=0)
        """
        return PrivacyLoss(max(0, self.rho_nano - other.rho_nano), max(0, self.delta_atto - other.delta_atto))

    @classmethod
    def from_exact(cls, rho: Fraction, delta: Fraction) -> PrivacyLoss:
        """Returns the smallest loss that is at least (rho, delta).

        >>> PrivacyLoss.from_exact(Fraction(1, 10**10), Fraction(0))
        PrivacyLoss(rho_nano=1, delta_atto=0)
        """
        return cls(math.ceil(rho * RHO_UNITS), math.ceil(delta * DELTA_UNITS))


ZERO: Final = PrivacyLoss(0)


@lru_cache(maxsize=4096)
def epsilon_of_rho(rho: Fraction, delta: Fraction) -> Fraction:
    """Returns an epsilon, a multiple of 1e-9, such that every rho-zCDP mechanism is (epsilon, delta)-DP.

    Canonne, Kamath and Steinke (arXiv:2004.00010), proposition 7: rho-zCDP implies (epsilon, delta)-DP with
    delta = inf over alpha > 1 of exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) * (1 - 1/alpha)**alpha.
    Solved for epsilon at one alpha, with (1 - 1/alpha)**alpha / (alpha - 1) = (1 - 1/alpha)**(alpha - 1) / alpha:

        epsilon(alpha) = alpha rho + ln(1 - 1/alpha) + (ln(1/delta) - ln(alpha)) / (alpha - 1).

    Soundness needs no optimum: each alpha gives a delta that is at least the infimum, so its epsilon holds, and so does
    any larger one, zero included. Tightness: d epsilon / d alpha = rho - (ln(1/delta) - ln(alpha)) / (alpha - 1)**2
    passes zero once, where rho (alpha - 1)**2 + ln(alpha) = ln(1/delta); `_best_order_gap` bisects that in floats.

    Rounding: alpha - 1 is a decimal of 20 digits between 1e-30 and 1e30, and at most 51 digits span it and 1, so alpha
    is exact in 60. The decimal operations, logarithms included, are correct to half a unit in the 60th digit; each term
    is below 1e31 for the largest rho of a ledger, so their errors add up to less than 1e-27. Adding 1e-20 and rounding
    up to a multiple of 1e-9 keeps the result an upper bound.

    Raises InvalidPrivacyLossError for a negative or too large rho, or a delta outside (0, 1).

    >>> float(epsilon_of_rho(Fraction(1, 10), Fraction(1, 10**6)))
    2.141938929
    """
    _check(rho, delta)
    if rho == 0:
        return Fraction(0)
    log_inverse_delta = -_decimal(delta).ln(_CONTEXT)
    gap = Decimal(f"{_best_order_gap(float(rho), float(log_inverse_delta)):.20g}")
    order = _CONTEXT.add(gap, Decimal(1))
    log_order = order.ln(_CONTEXT)
    slope_term = _CONTEXT.multiply(order, _decimal(rho))
    log_term = _CONTEXT.subtract(gap.ln(_CONTEXT), log_order)
    delta_term = _CONTEXT.divide(_CONTEXT.subtract(log_inverse_delta, log_order), gap)
    exact = Fraction(slope_term) + Fraction(log_term) + Fraction(delta_term) + _SLACK
    return max(Fraction(0), math.ceil(exact / _GRID) * _GRID)


@lru_cache(maxsize=4096)
def rho_of_epsilon(epsilon: Fraction, delta: Fraction) -> Fraction:
    """Returns the largest k * 1e-9, up to a ledger's largest, with epsilon_of_rho(k * 1e-9, delta) <= epsilon.

    The guess is made in floats; the answer is decided by `epsilon_of_rho` alone, which never falls in k (its slope is
    the best alpha, above 1), so that k fits and k + 1 does not hold for all smaller and all larger k too.

    >>> float(rho_of_epsilon(Fraction(10), Fraction(1, 10**6)))
    1.539278763
    """
    _check(epsilon, delta)

    def fits(rho_nano: int) -> bool:
        return rho_nano <= LARGEST and epsilon_of_rho(Fraction(rho_nano, RHO_UNITS), delta) <= epsilon

    low, step = min(LARGEST, int(_guess_rho(float(epsilon), -float(_decimal(delta).ln(_CONTEXT))) * RHO_UNITS)), 1
    while not fits(low):
        low, step = max(0, low - step), step * 2
    high, step = low + 1, 1
    while fits(high):
        low, high, step = high, high + step, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return Fraction(low, RHO_UNITS)


def _best_order_gap(rho: float, log_inverse_delta: float) -> float:
    """Returns alpha - 1 near the root of rho (alpha - 1)**2 + ln(alpha) = ln(1/delta)."""
    rho = max(rho, 1e-300)
    high = math.sqrt(log_inverse_delta / rho)
    low = min(math.sqrt(log_inverse_delta / (2 * rho)), log_inverse_delta / 2)
    return _bisect_gap(low, high, lambda gap: rho * gap * gap + math.log1p(gap) < log_inverse_delta)


def _guess_rho(epsilon: float, log_inverse_delta: float) -> float:
    """Returns about the rho that is worth epsilon: at the best alpha, epsilon = rho (2 alpha - 1) + ln(1 - 1/alpha)."""

    def rho_at(gap: float) -> float:
        return max(0.0, log_inverse_delta - math.log1p(gap)) / (gap * gap)

    def worth_more(gap: float) -> bool:
        return rho_at(gap) * (2 * gap + 1) + math.log(gap) - math.log1p(gap) > epsilon

    return rho_at(_bisect_gap(_SMALLEST_ORDER_GAP, _LARGEST_ORDER_GAP, worth_more))


def _bisect_gap(low: float, high: float, is_below: Callable[[float], bool]) -> float:
    """Returns the end of `is_below`, to float precision on a logarithmic scale, kept between 1e-30 and 1e30."""
    low, high = (min(max(bound, _SMALLEST_ORDER_GAP), _LARGEST_ORDER_GAP) for bound in (low, high))
    for _ in range(64):
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))


def _check(amount: Fraction, delta: Fraction) -> None:
    if not 0 <= amount * RHO_UNITS <= LARGEST:
        raise InvalidPrivacyLossError("Rho and epsilon must lie between 0 and 4,611,686,018.")
    if not 0 < delta < 1:
        raise InvalidPrivacyLossError("Delta must lie strictly between 0 and 1.")
