"""Losses are integers rounded up, and the zCDP conversion is tight, conservative and monotone."""

from __future__ import annotations

import math
import time
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.errors import InvalidPrivacyLossError
from budgets.privacy_loss import LARGEST, ZERO, PrivacyLoss, epsilon_of_rho, rho_of_epsilon

GRID = Fraction(1, 10**9)
DELTA = Fraction(1, 10**6)

amounts = st.integers(0, 2**61)
losses = st.builds(PrivacyLoss, amounts, amounts)
rhos = st.integers(1, 10**13).map(lambda k: k * GRID)
deltas = st.fractions(Fraction(1, 10**18), Fraction(1, 2), max_denominator=10**20).filter(bool)


@given(losses, losses, losses)
def test_losses_add_up_in_any_order(a: PrivacyLoss, b: PrivacyLoss, cap: PrivacyLoss) -> None:
    assert a + b == b + a == PrivacyLoss(a.rho_nano + b.rho_nano, a.delta_atto + b.delta_atto)
    assert a + ZERO == a
    assert a.fits_within(cap) == (a.rho_nano <= cap.rho_nano and a.delta_atto <= cap.delta_atto)
    assert a.fits_within(a + b)
    assert (a + b).minus(b) == a
    assert a.minus(a + b) == ZERO


@pytest.mark.parametrize("amount", [-1, LARGEST + 1, 1.0, 0.5, True, "1", None, float("nan"), Fraction(1)])
def test_only_integers_in_range_are_losses(amount: object) -> None:
    with pytest.raises(InvalidPrivacyLossError):
        PrivacyLoss(amount)  # type: ignore[arg-type]
    with pytest.raises(InvalidPrivacyLossError):
        PrivacyLoss(0, amount)  # type: ignore[arg-type]


def test_a_sum_that_no_ledger_could_hold_is_refused() -> None:
    assert PrivacyLoss(LARGEST) + ZERO == PrivacyLoss(LARGEST)
    with pytest.raises(InvalidPrivacyLossError):
        PrivacyLoss(LARGEST) + PrivacyLoss(1)


@given(st.fractions(0, 10**6), st.fractions(0, 1))
def test_exact_losses_are_rounded_up_by_less_than_one_unit(rho: Fraction, delta: Fraction) -> None:
    loss = PrivacyLoss.from_exact(rho, delta)
    assert 0 <= loss.rho_nano - rho * 10**9 < 1
    assert 0 <= loss.delta_atto - delta * 10**18 < 1


@pytest.mark.parametrize(
    ("rho", "delta"), [(Fraction(-1), DELTA), (Fraction(1), Fraction(0)), (Fraction(1), Fraction(1))]
)
def test_conversion_refuses_what_is_no_loss(rho: Fraction, delta: Fraction) -> None:
    for convert in (epsilon_of_rho, rho_of_epsilon):
        with pytest.raises(InvalidPrivacyLossError):
            convert(rho, delta)


def log_delta_of(rho: Decimal, epsilon: Decimal, gap: Decimal) -> Decimal:
    """The logarithm of proposition 7 of arXiv:2004.00010 as it stands there, at one order alpha = 1 + gap."""
    alpha = 1 + gap
    return gap * (alpha * rho - epsilon) - gap.ln() + alpha * (1 - 1 / alpha).ln()


def least_log_delta(rho: Fraction, epsilon: Fraction) -> Decimal:
    """The infimum over alpha by nested grids on a logarithmic scale of alpha - 1: slow, and without derivatives."""
    with localcontext() as context:
        context.prec = 50
        r, e = (Decimal(x.numerator) / Decimal(x.denominator) for x in (rho, epsilon))
        low, high = Decimal("1e-6").ln(), Decimal("1e9").ln()
        best = Decimal("Infinity")
        for _ in range(12):
            points = [low + (high - low) * i / 16 for i in range(17)]
            values = [log_delta_of(r, e, point.exp()) for point in points]
            at = min(range(17), key=values.__getitem__)
            best = min(best, values[at])
            low, high = points[max(0, at - 1)], points[min(16, at + 1)]
        return best


@pytest.mark.parametrize("rho", ["0.000000001", "0.0001", "0.01", "0.1", "1", "10", "1000"])
@pytest.mark.parametrize("delta", ["1e-18", "1e-6", "0.01"])
def test_epsilon_agrees_with_an_independent_computation_of_delta(rho: str, delta: str) -> None:
    """At the epsilon returned the true delta is within the wanted one; two steps of the grid below, it is not."""
    epsilon = epsilon_of_rho(Fraction(rho), Fraction(delta))
    wanted = Decimal(delta).ln()
    assert least_log_delta(Fraction(rho), epsilon) <= wanted
    assert epsilon == 0 or least_log_delta(Fraction(rho), epsilon - 2 * GRID) > wanted


@pytest.mark.parametrize(
    ("rho", "delta", "epsilon"),
    [  # mpmath 60 digits: golden section over ln(alpha - 1) of proposition 7, then bisection for epsilon
        ("0.1", "1e-6", "2.14193892838547366"),
        ("1", "1e-6", "7.76621662531172074"),
        ("100", "1e-6", "172.177551475899408"),
        ("0.01", "1e-9", "0.810174467867534164"),
        ("0.000001", "1e-6", "0.00449649398064861169"),
    ],
)
def test_known_values_are_rounded_up_by_less_than_one_step(rho: str, delta: str, epsilon: str) -> None:
    assert 0 < epsilon_of_rho(Fraction(rho), Fraction(delta)) - Fraction(epsilon) < GRID


@given(rhos, deltas)
def test_the_tight_bound_beats_the_classic_one(rho: Fraction, delta: Fraction) -> None:
    """Bun and Steinke (arXiv:1605.02065), proposition 1.3: epsilon = rho + 2 sqrt(rho ln(1/delta))."""
    classic = float(rho) + 2 * math.sqrt(float(rho) * -math.log(float(delta)))
    assert float(epsilon_of_rho(rho, delta)) <= classic * (1 + 1e-12) + 1e-9


@given(rhos, rhos, deltas, deltas)
def test_epsilon_rises_with_rho_and_falls_with_delta(a: Fraction, b: Fraction, c: Fraction, d: Fraction) -> None:
    small, large = sorted((a, b))
    strict, loose = sorted((c, d))
    assert epsilon_of_rho(small, strict) <= epsilon_of_rho(large, strict)
    assert epsilon_of_rho(large, loose) <= epsilon_of_rho(large, strict)


@given(rhos, deltas)
def test_one_more_nano_rho_never_lowers_epsilon(rho: Fraction, delta: Fraction) -> None:
    assert epsilon_of_rho(rho, delta) <= epsilon_of_rho(rho + GRID, delta)


@given(st.fractions(0, 1000, max_denominator=10**6), deltas)
def test_rho_of_epsilon_is_the_largest_that_the_epsilon_covers(epsilon: Fraction, delta: Fraction) -> None:
    rho = rho_of_epsilon(epsilon, delta)
    assert rho % GRID == 0
    assert epsilon_of_rho(rho, delta) <= epsilon < epsilon_of_rho(rho + GRID, delta)


@given(rhos, deltas)
def test_converting_there_and_back_loses_nothing(rho: Fraction, delta: Fraction) -> None:
    assert rho_of_epsilon(epsilon_of_rho(rho, delta), delta) >= rho


@given(st.fractions(0, 50, max_denominator=10**6), st.fractions(0, 50, max_denominator=10**6), deltas)
def test_a_larger_epsilon_buys_at_least_as_much_rho(a: Fraction, b: Fraction, delta: Fraction) -> None:
    assert rho_of_epsilon(min(a, b), delta) <= rho_of_epsilon(max(a, b), delta)


@settings(max_examples=20)
@given(
    st.fractions(0, LARGEST * GRID, max_denominator=10**30),
    st.fractions(Fraction(1, 10**300), 1 - Fraction(1, 10**40), max_denominator=10**310),
)
def test_the_extremes_of_the_range_convert_without_overflow(rho: Fraction, delta: Fraction) -> None:
    epsilon = epsilon_of_rho(rho, delta)
    assert epsilon >= 0
    assert epsilon % GRID == 0


def test_the_ends_of_the_range() -> None:
    largest = LARGEST * GRID
    assert epsilon_of_rho(Fraction(0), DELTA) == 0
    assert epsilon_of_rho(Fraction(1, 10**400), DELTA) < Fraction(1, 10**8)
    assert rho_of_epsilon(Fraction(0), DELTA) == 0
    assert rho_of_epsilon(largest, Fraction(1, 10**18)) < largest < epsilon_of_rho(largest, Fraction(1, 10**18))
    assert rho_of_epsilon(largest, 1 - Fraction(1, 10**18)) == largest


def test_a_conversion_takes_less_than_a_millisecond() -> None:
    seconds = []
    for k in range(1, 201):
        started = time.thread_time()
        rho_of_epsilon(Fraction(k, 7), DELTA)
        seconds.append(time.thread_time() - started)
    assert sorted(seconds)[100] < 1e-3
