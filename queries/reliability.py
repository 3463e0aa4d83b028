"""Whether a figure is fit to be read, by its relative half width: half of its 95% interval over its size.

Statistical offices grade estimates by their coefficient of variation: Statistics Canada releases them without remark up
to 16.5%, with a warning up to 33.3%, and advises against them beyond. A half width is 1.96 of these. The bands here
are narrower unless a policy says otherwise, because noise and clipping are not all that a figure can be off by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GOOD, FAIR = 0.1, 0.3  # a coefficient of variation of about 5%, and of about 15%


@dataclass(frozen=True, slots=True)
class Bands:
    """Up to which relative half width a figure is good, and up to which it is fair."""

    good: float = GOOD
    fair: float = FAIR


def reliability(values: NDArray[np.float64], half_widths: NDArray[np.float64], bands: Bands) -> list[str | None]:
    """`good`, `fair` or `poor` for each value; None where there is no interval. Of zero only zero width is good."""
    sizes = np.abs(values)
    grades = np.where(half_widths <= bands.good * sizes, 0, np.where(half_widths <= bands.fair * sizes, 1, 2))
    known = np.isfinite(values) & np.isfinite(half_widths)
    names = ("good", "fair", "poor")
    return [names[grade] if is_known else None for grade, is_known in zip(grades.tolist(), known.tolist(), strict=True)]
