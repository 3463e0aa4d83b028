"""What can be wrong with a signing key, a proof or an export."""

from __future__ import annotations

from budgets.errors import BudgetError


class SigningKeyError(BudgetError):
    """The signing key, or what is recorded of the keys, cannot be read or made."""


class ForgedError(BudgetError):
    """A signed document is not byte for byte what its key signed, or is of another kind."""


class ArchiveError(BudgetError):
    """An export is not byte for byte an archive as exports are written."""
