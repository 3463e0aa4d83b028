"""What stops the tour."""

from __future__ import annotations


class TourError(Exception):
    """Something did not come out as the tour says that it does."""


def require(holds: bool, what: str) -> None:  # noqa: FBT001  # The one thing that this is about.
    """Go on only if it holds; raises TourError."""
    if not holds:
        raise TourError(what)
