"""Everything a budget or its ledger can refuse or fail with.

No text here holds anything but names of accounts and ids of queries: all of it may be shown.
"""

from __future__ import annotations


class BudgetError(Exception):
    """The root of all errors of this package."""


class InvalidPrivacyLossError(BudgetError):
    """A number is not a privacy loss: negative, not an integer, too large, or a delta outside (0, 1)."""


class BudgetExhaustedError(BudgetError):
    """The rest of a meter of an account does not cover the claim, and nothing was reserved."""

    def __init__(self, account_id: str, meter: str = "lifetime") -> None:
        super().__init__(f"The rest of the budget of account {account_id!r} ({meter}) does not cover this.")
        self.account_id = account_id
        self.meter = meter


class UnknownAccountError(BudgetError):
    """No account has this id."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"There is no account {account_id!r}.")
        self.account_id = account_id


class FrozenError(BudgetError):
    """Somebody stopped everything that is asked of a dataset; nothing was reserved."""

    def __init__(self, dataset: str) -> None:
        super().__init__(f"Dataset {dataset!r} is frozen: nothing is answered until two officers start it again.")
        self.dataset = dataset


class ApprovalNeededError(BudgetError):
    """A change allows more than before, and there is no proposal of exactly it that two people approved of."""


class UnknownProposalError(BudgetError):
    """No proposed change has this id."""


class OwnProposalError(BudgetError):
    """Who proposed or approved a change already is not the second pair of eyes."""


class TooManyFailuresError(BudgetError):
    """Too many of this person's queries failed after they had begun; nothing was reserved."""


class IdempotencyKeyReusedError(BudgetError):
    """This principal used the idempotency key before, for another request."""


class RequestInProgressError(BudgetError):
    """The same request under this idempotency key was taken up before; its outcome is not stored yet, or only just."""


class InvalidTransitionError(BudgetError):
    """The ledger's rules do not allow this step in the present state; nothing was written."""


class LedgerUnavailableError(BudgetError):
    """The ledger cannot be read or written durably: nothing may leave, and an unknown outcome counts as spent."""


class LedgerCorruptError(BudgetError):
    """The ledger contradicts itself: a broken chain or a balance that does not follow from the entries."""


class LedgerBehindAnchorError(LedgerCorruptError):
    """The ledger lacks an entry that its anchor has seen: an old copy was restored, or the tail is gone."""
