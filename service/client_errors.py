"""What the client raises: one class for each kind of problem that a caller may want to tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final


class KvittoError(Exception):
    """The service answered with a problem; `problem` is the whole document, `hint` what to do about it."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        self.slug = str(problem.get("type", "")).rpartition("/")[2]
        self.status = problem.get("status")
        self.detail = str(problem.get("detail", problem.get("title", "")))
        self.hint: str | None = problem.get("hint")
        super().__init__(self.detail + (f" Hint: {self.hint}" if self.hint else ""))


class SqlSyntaxError(KvittoError):
    """The statement can't be read; `line` and `column` say where."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem)
        self.line: int | None = problem.get("line")
        self.column: int | None = problem.get("column")


class QueryNotPrivateError(SqlSyntaxError):
    """The statement can't be answered privately; `hint` and `rewrite` say what to write instead."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem)
        self.code: str | None = problem.get("code")
        self.rewrite: str | None = problem.get("rewrite")


class BudgetExhaustedError(KvittoError):
    """The budget does not suffice; nothing was charged."""


class PriceRefusedError(KvittoError):
    """The price that was named can't be paid."""


class InvalidRequestError(KvittoError):
    """The request does not fit the schema."""


class AccessRefusedError(KvittoError):
    """The key is not valid, or its role may not do that."""


class FourEyesError(KvittoError):
    """Somebody else has to decide this, or it was decided already."""


class FrozenError(KvittoError):
    """Somebody stopped everything that is asked of the dataset; nothing was charged."""


class NotFoundError(KvittoError):
    """There is nothing there that this key may know of."""


class ReleaseFailedError(KvittoError):
    """The work had begun and did not end well; it is charged."""


class ServiceUnavailableError(KvittoError):
    """The service can't answer now; nothing was charged, and the same call may be made again."""


_KINDS: Final[Mapping[str, type[KvittoError]]] = {
    "sql-syntax": SqlSyntaxError,
    "query-not-private": QueryNotPrivateError,
    "budget-exhausted": BudgetExhaustedError,
    "no-budget-account": BudgetExhaustedError,
    "too-many-failures": BudgetExhaustedError,
    "invalid-price": PriceRefusedError,
    "max-epsilon-exceeded": PriceRefusedError,
    "invalid-request": InvalidRequestError,
    "bad-request": InvalidRequestError,
    "too-large": InvalidRequestError,
    "idempotency-key-reused": InvalidRequestError,
    "unauthenticated": AccessRefusedError,
    "role": AccessRefusedError,
    "purpose": AccessRefusedError,
    "four-eyes": FourEyesError,
    "already-decided": FourEyesError,
    "frozen": FrozenError,
    "not-found": NotFoundError,
    "release-failed": ReleaseFailedError,
    "engine-unavailable": ServiceUnavailableError,
    "ledger-unavailable": ServiceUnavailableError,
    "too-many-requests": ServiceUnavailableError,
    "request-in-progress": ServiceUnavailableError,
    "unreachable": ServiceUnavailableError,
}


def error_of(problem: Mapping[str, Any]) -> KvittoError:
    """The exception of a problem document."""
    slug = str(problem.get("type", "")).rpartition("/")[2]
    return _KINDS.get(slug, KvittoError)(problem)
