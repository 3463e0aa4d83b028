"""The black-box audit: a lower bound on epsilon from what two neighbouring datasets answer.

Nasr et al. 2021 (arXiv:2101.04535), Section III: for an event E fixed in advance, k₁ of n cells of D and k₀ of n cells
of D′ in E give, by Clopper and Pearson, P₁ ≥ p₁ and P₀ ≤ p₀ with confidence 1 - α/2 each. A mechanism that is (ε, δ)-DP
has P₁ ≤ e^ε·P₀ + δ, so ε ≥ ln((p₁ - δ)/p₀).

δ is the auditor's choice, for ρ-zCDP has an ε for each δ. A small one hides everything in tails that no experiment
reaches; at DELTA = 0.1 the Gaussian's whole body counts. The price ρ below is worth ε = 1 at that δ.

Where the price has no δ, p₁ and p₀ bound ρ itself, at no δ and more tightly: whether the event happened is
post-processing, so that for every order α the Rényi divergence of a coin with p₁ from one with p₀, either way, is at
most α·ρ (Bun and Steinke 2016, arXiv:1605.02065, Definition 1.1 and Lemma 1.8).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from math import log, sqrt

from scipy.stats import beta, binom, norm

from budgets.privacy_loss import epsilon_of_rho, rho_of_epsilon
from tests.privacy.stores import BOUND, STORES

ALPHA = 1e-8
DELTA = Fraction(1, 10)
RHO = rho_of_epsilon(Fraction(1), DELTA)
SCALE = BOUND / sqrt(2 * RHO)  # of the noise of a count, in rows: 13.65
EVENT = math.ceil(SCALE)  # a cell of at least so many rows: one standard deviation, or two of halved noise
VARIANTS = 4
CELLS = VARIANTS * STORES
_ORDERS = tuple(1 + 2.0**power for power in range(-6, 5))


@dataclass(frozen=True)
class Audit:
    """What was counted, and the bound that follows."""

    with_customer: int
    without: int
    cells: int

    @property
    def least_epsilon(self) -> float:
        """The lower bound on epsilon at DELTA, wrong with probability ALPHA at the most."""
        least, most = self._shares
        return log((least - float(DELTA)) / most) if least > DELTA else -math.inf

    @property
    def least_rho(self) -> float:
        """The lower bound on ρ of a mechanism without δ, wrong with probability ALPHA at the most."""
        least, most = self._shares
        if least <= most:
            return 0.0
        return max(max(_divergence(least, most, a), _divergence(most, least, a)) / a for a in _ORDERS)

    @property
    def _shares(self) -> tuple[float, float]:
        """The least share of cells with the customer that may be in the event, and the most of those without."""
        k, n, other = self.with_customer, self.cells, self.without
        least = float(beta.ppf(ALPHA / 2, k, n - k + 1)) if k else 0.0
        return least, float(beta.ppf(1 - ALPHA / 2, other + 1, n - other)) if other < n else 1.0


def _divergence(p: float, q: float, order: float) -> float:
    """The Rényi divergence of a coin with p from one with q."""
    if q >= 1:
        return 0.0 if p >= 1 else math.inf
    return log(p**order * q ** (1 - order) + (1 - p) ** order * (1 - q) ** (1 - order)) / (order - 1)


def charged_epsilon(rho_nano: int) -> float:
    """What the ledger says was lost a cell, as epsilon at DELTA, rounded up."""
    return float(epsilon_of_rho(Fraction(rho_nano, 10**9), DELTA))


def power(factor: float) -> float:
    """The probability that the audit fails a service whose noise is `factor` times too small (a lower bound).

    The rarest ALPHA·10^-6 of both counts is given away; between these the bound is monotone in both.
    """
    sigma, rounded = SCALE / factor, EVENT - 0.5
    ends = 1e-14
    k = int(binom.ppf(ends, CELLS, norm.sf((rounded - BOUND) / sigma)))
    other = int(binom.isf(ends, CELLS, norm.sf(rounded / sigma)))
    worst = Audit(k, other, CELLS).least_epsilon
    return 1 - 2 * ends if worst > charged_epsilon(int(RHO * 10**9)) else 0.0


def least_power(without: float, with_customer: float, cells: int) -> float:
    """What the lower bound on ρ is at the least if these are the chances of the event, but for 2·10^-7 of all cases."""
    rare = 1e-7
    return Audit(int(binom.ppf(rare, cells, with_customer)), int(binom.isf(rare, cells, without)), cells).least_rho
