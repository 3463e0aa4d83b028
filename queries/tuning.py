"""How bounds are derived from noised figures: post-processing, whatever it does, so no promise rests on it.

All bounds are in quarters of octaves: exponent e stands for 2**(e/4) minor units. A bound that about 2·√(G/2ρ) units
exceed balances noise and clipping for G groups: noise has the norm C·√(G/2ρ), which grows with C by √(G/2ρ), while
clipping takes as much less as there are units above C, if these are somewhat alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from queries.engine import FIRST_NORM, NORMS
from queries.plan import NANO

Floats = NDArray[np.float64]

OCTAVES_A_BIN = 2  # of the counts by which contributions are located
LOCATING = NORMS // (4 * OCTAVES_A_BIN)
_WINDOW = 3  # bins that hold most units: contributions of most differ by less than 64 times
_SIGNIFICANT = 3.5  # deviations by which the window has to stand out
_ABOVE_MIDDLE = 8.0  # quarters of an octave from the middle of the contributions to where a bound is expected
_FALLING, _RISING = -4.0, 2.0  # powers of the prior above and below the expected bound
_POWER, _POWER_WITHIN = 0.375, 1.0  # of a rough sum by which a group's bound grows
_LEAST_WITHIN = 0.5  # deviations that the size of a distribution is taken for at the least
_MOST_STEPS, _MOST_WITHIN = 24, 40  # a group's bound is at most 64 times that of another, or 1,024 times
_TIGHTER = 1.5  # a chosen bound is that much above what proportional contributions would have
_UPPER = 1.645  # the 95% quantile of the normal distribution


def wanted_above(groups: int, rho_nano: int) -> int:
    """How many units the best bound is about exceeded by, for noise of this price over so many groups."""
    return math.floor(2 * math.sqrt(groups * NANO / (2 * rho_nano)))


def located(counts: Floats, deviation: float) -> float | None:
    """The exponent near which bounds are expected, from noised numbers of units by norm; None if that is all noise.

    `counts` has a bin for each `OCTAVES_A_BIN` octaves.
    """
    sums = np.convolve(counts, np.ones(_WINDOW), "valid")
    start = int(np.argmax(sums))
    if sums[start] < _SIGNIFICANT * deviation * math.sqrt(_WINDOW):
        return None
    held = np.maximum(counts[start : start + _WINDOW], 0)
    middle = float((held * (np.arange(_WINDOW) + start + 0.5)).sum() / held.sum())
    return FIRST_NORM + 4 * OCTAVES_A_BIN * middle + _ABOVE_MIDDLE


def exponent_of(bound: float) -> float:
    """The exponent of a bound in minor units."""
    return 4 * math.log2(bound)


def log_prior(expected: float, most: int) -> Floats:
    """The logarithm of the prior of the exponents from FIRST_NORM to `most`.

    It falls with the fourth power of the bound above what is expected: the square of the noise rises with the second,
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

    What all groups lost together, at its upper 95% limit, is shared out in proportion to the sums, twice: some groups
    lose more than their share, and of a unit's loss no more is counted than what a unit at the bound has. Where that is
    not below the sums themselves, nothing is known of the loss: the allowance is infinite.
    """
    total, most = float(np.abs(sums).sum()), max(lost, 0.0) + _UPPER * deviation
    if most >= total:
        return np.copysign(np.inf, sums)
    return 2 * most / total * sums
