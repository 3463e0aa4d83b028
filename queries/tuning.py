"""How bounds are derived from noised figures: post-processing, whatever it does, so no promise rests on it.

All bounds are in quarters of octaves: exponent e stands for 2**(e/4) minor units. A bound that about 2·√(G/2ρ) units
exceed balances noise and clipping for G groups: noise has the norm C·√(G/2ρ), which grows with C by √(G/2ρ), while
clipping takes as much less as there are units above C, if these are somewhat alike.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from queries.engine import FIRST_NORM, NORMS
from queries.plan import NANO

Floats = NDArray[np.float64]

OCTAVES_A_BIN = 2  # of the counts by which contributions are located
LOCATING = NORMS // (4 * OCTAVES_A_BIN)
_BIN = 4 * OCTAVES_A_BIN
_WINDOW = 2  # bins that hold most units: contributions of most differ by less than 16 times
_SIGNIFICANT = 4.0  # deviations by which the window has to stand out, and ...
_ABOVE_NOISE = 2.0  # ... by which what is left above a bin has to, for the bin to be below the bound
_MOST_DEVIATIONS = 3.5  # of the logarithm of contributions from their middle to where a bound is expected
_FALLING, _RISING = -6.0, 2.0  # powers of the prior above and below the expected bound
_POWER, _POWER_WITHIN = 0.375, 1.0  # of a rough sum by which a group's bound grows
_LEAST_WITHIN = 0.5  # deviations that the size of a distribution is taken for at the least
_MOST_STEPS, _MOST_WITHIN = 24, 40  # a group's bound is at most 64 times that of another, or 1,024 times
_TIGHTER = 1.2  # a chosen bound is that much above what proportional contributions would have
# What bounding took is shared out so many times, and deviations of its noise once. With 2 times their sum, intervals of
# spend by department of 50,000 households held 91%, so they do 92 to 93%; with 3 times their sum those of the largest
# departments of 2,500 households were a third wider at ε = 0.5, where it is mostly noise, and held no more.
SHARED_OUT, BEYOND_LOSS = 3.5, 1.96


def wanted_above(groups: int, rho_nano: int) -> int:
    """How many units the best bound is about exceeded by, for noise of this price over so many groups."""
    return math.floor(2 * math.sqrt(groups * NANO / (2 * rho_nano)))


def located(counts: Floats, deviation: float, wanted: int) -> float | None:
    """The exponent near which a bound is expected that `wanted` units exceed; None if the counts are all noise.

    `counts` are noised numbers of units by norm, with a bin for each `OCTAVES_A_BIN` octaves. Norms are taken to be
    log-normal, but none to lie above the last bin that stands out from the noise: they may have a limit.
    """
    sums = np.convolve(counts, np.ones(_WINDOW), "valid")
    start = int(np.argmax(sums))
    if sums[start] < _SIGNIFICANT * deviation * math.sqrt(_WINDOW):
        return None
    window, above = counts[start : start + _WINDOW], max(wanted, 1) / max(float(sums[start]), 4 * max(wanted, 1))
    tails, bins = window[::-1].cumsum()[::-1], np.arange(_WINDOW, 0, -1)
    left = tails > above * sums[start] + _ABOVE_NOISE * deviation * np.sqrt(bins)
    last = int(np.flatnonzero(left).max(initial=0))
    return FIRST_NORM + _BIN * (start + min(_log_normal(np.maximum(window, 0), above), last + 1))


def _log_normal(counts: Floats, above: float) -> float:
    """The place, in bins, that this share of a normal distribution over the bins is above."""
    places = np.arange(len(counts)) + 0.5
    middle = float((counts * places).sum() / counts.sum())
    variance = float((counts * (places - middle) ** 2).sum() / counts.sum()) - 1 / 12  # but for the width of a bin
    return middle + min(NormalDist().inv_cdf(1 - above), _MOST_DEVIATIONS) * math.sqrt(max(variance, 0.0))


def exponent_of(bound: float) -> float:
    """The exponent of a bound in minor units."""
    return 4 * math.log2(bound)


def log_prior(expected: float, most: int) -> Floats:
    """The logarithm of the prior of the exponents from FIRST_NORM to `most`.

    It falls with the sixth power of the bound above what is expected: the square of the noise rises with the second,
    and bounds that no unit reaches are all alike to the score. It rises with the second power below.
    """
    exponents = np.arange(FIRST_NORM, min(most, FIRST_NORM + NORMS - 1) + 1)
    distance = (exponents - expected) / 4 * math.log(2)
    return np.where(distance > 0, _FALLING, _RISING) * distance


def quarters(within: int) -> int:
    """Of how many units a bound may be exceeded where `wanted_above` says more, in quarters.

    Relative figures, such as those of a distribution of `within` parts, suffer less from a weight than totals do.
    """
    return 1 if within == 1 else 3


def sizes_of(rough: Floats, deviation: float, heads: int) -> Floats:
    """The sizes of rough sums in deviations of their noise; each `heads` successive ones are added up."""
    sizes: Floats = np.abs(rough.reshape(-1, heads).sum(axis=1)) / (deviation * math.sqrt(heads))
    return sizes


def steps_of(sizes: Floats, within: int) -> bytes:
    """How many quarters of an octave each group's bound is above the lowest, `within` successive groups having one.

    Bounds of sums grow with the power 0.375 of what the group has, so that small groups get less noise than large ones;
    what does not stand out from the noise counts as small. Where cells are parts of a distribution, it is the relative
    error of each that counts, and bounds are in proportion.
    """
    power, most, least = (_POWER, _MOST_STEPS, 1.0) if within == 1 else (_POWER_WITHIN, _MOST_WITHIN, _LEAST_WITHIN)
    steps = np.minimum(np.rint(4 * power * np.log2(np.maximum(sizes / least, 1.0))), most)
    return np.repeat(steps.astype(np.uint8), within).tobytes()


def scales_of(steps: bytes) -> Floats:
    """What the steps multiply the lowest bound by."""
    return 2.0 ** (np.frombuffer(steps, np.uint8) / 4)


def expected_exponent(exponent: int, sizes: Floats, steps: bytes) -> float:
    """Where the bound in scaled cells is expected, from that of plain ones, if units were like the sums of all."""
    plain = float(np.linalg.norm(sizes))
    scaled = float(np.linalg.norm(sizes / scales_of(steps)[:: len(steps) // len(sizes)]))
    return exponent + exponent_of(_TIGHTER * scaled / plain) if scaled > 0 else float(exponent)


def cap_of(sums: Floats, bounds: Floats) -> float:
    """How much a unit is expected to have in all if it just reaches the bounds, in the units of both."""
    norm = float(np.linalg.norm(sums / bounds))
    return float(np.abs(sums).sum()) / norm if norm > 0 else float(bounds.max(initial=1.0))


def allowances(sums: Floats, lost: float, deviation: float) -> Floats:
    """How much more of the same sign each sum may have been before it was bounded, from the noised loss of all.

    What all groups lost together is shared out in proportion to the sums, `SHARED_OUT` times, as some groups lose more
    than their share, and of a unit's loss no more is counted than what a unit at the bound has; with it `BEYOND_LOSS`
    deviations. Where its upper limit is not below the sums themselves, nothing is known: the allowance is infinite.
    """
    total, taken = float(np.abs(sums).sum()), max(lost, 0.0)
    if taken + BEYOND_LOSS * deviation >= total:
        return np.copysign(np.inf, sums)
    return (SHARED_OUT * taken + BEYOND_LOSS * deviation) / total * sums
