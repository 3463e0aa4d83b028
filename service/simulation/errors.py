"""What a simulation can fail with."""

from __future__ import annotations


class SimulationError(Exception):
    """A simulation that gives no figures; the text says why, in words for the caller."""


class SimulationTooLongError(SimulationError):
    """Not one answer at each price was drawn in time."""
