"""What other systems measured on the same purchases, elsewhere and earlier: not by this code, nor on this machine.

Version, question and figures as in the comparison that the targets of these benchmarks came from: the real purchases
(1,469,307 lines, 2,469 households), a household as the unit, ε = 1 and δ = 1e-6; bounds of 20 groups a unit, counts in
[0, 20] and sums in [0, 100] a group. SmartNoise samples rows and Qrlew rescales, so theirs only come near these.
`make bench-peers` runs two of them anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONDITIONS: Final = "20 groups a household, counts in [0, 20], sums in [0, 100] in each; ε = 1, δ = 10⁻⁶; 6 draws"


@dataclass(frozen=True, slots=True)
class Published:
    """Median relative errors by group against the true, unclipped answer; None where there was no answer."""

    system: str
    relative: dict[str, float | None]
    products: int | None  # keys of Q4 that were released
    note: str = ""


PUBLISHED: Final = (
    Published("`l0 × linf` truncation, exact integers", {"Q2": 0.88, "Q3": 0.86, "Q5": 4.8, "Q6": None}, 0),
    Published("SmartNoise SQL 1.0.10", {"Q2": 0.65, "Q3": 0.98, "Q5": 1.05, "Q6": None}, 0),
    Published("OpenDP 0.16 Polars", {"Q2": 1.30, "Q3": 0.97, "Q5": 7487.0, "Q6": 0.33}, 0),
    Published("PipelineDP 0.3.1", {"Q2": 0.88, "Q3": 0.86, "Q5": 1.85, "Q6": 0.45}, 0),
    Published(
        "Qrlew 0.9.27", {"Q2": 0.45, "Q3": 1.00, "Q5": 0.29, "Q6": None}, 0, "Q2: 74 of 302 groups; Q5: 1 of 457 stores"
    ),
)
