"""What a measure's price is divided into, by the number of groups, which is public: sums, and what finds their bounds.

The shares follow from simulations on the demo's purchases: less for the search makes bounds miss, more makes noise.
Bounds that differ by group pay from some sixteen groups on: fewer tell too little of how they should differ.
"""

from __future__ import annotations

from queries.errors import PriceError
from queries.plan import Tuning

TOO_SMALL = "This price is too small for so many results."
_THOUSAND = 1_000
# In thousandths: where contributions lie, the one choice of a bound or each of two, rough sums, what bounding takes.
_LOCATING, _CHOOSING_ONCE, _CHOOSING, _ROUGH, _ROUGH_OF_PARTS, _LOST = 50, 100, 25, 100, 200, 100
_MANY_GROUPS = 16  # from here on bounds differ from group to group


def searching(rho_nano: int, groups: int | None, within: int = 1, heads: int = 1) -> Tuning:
    """What finding the bounds of one measure takes of its price, `groups` being None where a threshold decides.

    Groups of parts (`Tuning.within`) differ most, and all they give is relative: a better look at them pays.
    """
    if rho_nano < _THOUSAND:
        raise PriceError("invalid-price", TOO_SMALL)
    rough = _ROUGH if within == 1 else _ROUGH_OF_PARTS
    many = groups is None or groups >= _MANY_GROUPS
    shares = (_LOCATING, _CHOOSING, rough) if many else (_LOCATING, _CHOOSING_ONCE, 0)
    locate, choose, look = (rho_nano * thousandths // _THOUSAND for thousandths in shares)
    return Tuning(locate, choose, look, within, heads)


def losing(rho_nano: int, measures: int) -> int:
    """What an estimate of what bounding takes from each of so many measures takes of their price."""
    return max(measures, rho_nano * _LOST // _THOUSAND)
