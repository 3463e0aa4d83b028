"""The one table from everything that can go wrong to RFC 9457 problem documents.

A problem's `type` and status never change meaning once released. No problem repeats a value that the caller sent,
except what a refusal quotes of the analyst's own SQL, and none repeats a word of the engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from budgets import errors as budget_errors
from queries import errors as query_errors
from service.problem_types import PROBLEM_TYPES, ProblemType

__all__ = ["MEDIA_TYPE", "PROBLEM_TYPES", "RETRY_AFTER_SECONDS", "Problem", "ProblemError", "ProblemType", "problem_of"]

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem to send: its type, one sentence about this occurrence, and extension members."""

    slug: str
    detail: str
    extensions: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status of the problem's type."""
        return PROBLEM_TYPES[self.slug].status

    def body(self, request_id: str | None = None) -> bytes:
        """The problem document, UTF-8 JSON; members without a value are left out."""
        row = PROBLEM_TYPES[self.slug]
        document = {
            "type": row.type,
            "title": row.title,
            "status": row.status,
            "detail": self.detail,
            "instance": f"urn:uuid:{request_id}" if request_id else None,
            **self.extensions,
        }
        present = {name: value for name, value in document.items() if value is not None}
        return json.dumps(present, ensure_ascii=True, separators=(",", ":")).encode()


class ProblemError(Exception):
    """Carries a problem up to the HTTP edge."""

    def __init__(
        self,
        slug: str,
        detail: str | None = None,
        *,
        extensions: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.problem = Problem(slug, detail or PROBLEM_TYPES[slug].meaning, extensions or {}, headers or {})
        super().__init__(slug)


def problem_of(error: Exception) -> Problem | None:
    """The problem that tells the caller of `error`, or None when the error is a fault of ours."""
    if isinstance(error, ProblemError):
        return error.problem
    if isinstance(error, query_errors.QueryError):
        return _query_problem(error)
    if isinstance(error, budget_errors.BudgetError):
        return _budget_problem(error)
    return None


def _query_problem(error: query_errors.QueryError) -> Problem | None:
    match error:
        case query_errors.SqlSyntaxError():
            return Problem("sql-syntax", error.message, {"line": error.line, "column": error.column})
        case query_errors.QueryNotPrivateError():
            members = {name: getattr(error, name) for name in ("code", "reason", "line", "column", "hint", "rewrite")}
            return Problem("query-not-private", error.reason, members)
        case query_errors.PriceError():
            slug = "max-epsilon-exceeded" if error.code == "max-epsilon-exceeded" else "invalid-price"
            return Problem(slug, error.reason)
        case query_errors.PostprocessError():
            return Problem("postprocess-failed", error.reason)
        case query_errors.ExclusionError():
            return Problem("invalid-request", error.reason)
        case query_errors.ExclusionListError():
            return _constant("not-recorded")
        case query_errors.ReleaseFailedError():
            return _constant("release-failed")
        case query_errors.EngineUnavailableError():
            return _constant("engine-unavailable")
        case _:
            return None


_BUDGET_PROBLEMS: Final[tuple[tuple[type[budget_errors.BudgetError], str], ...]] = (
    (budget_errors.TooManyFailuresError, "too-many-failures"),
    (budget_errors.UnknownAccountError, "no-budget-account"),
    (budget_errors.UnknownProposalError, "not-found"),
    (budget_errors.OwnProposalError, "four-eyes"),
    (budget_errors.ApprovalNeededError, "four-eyes"),
    (budget_errors.FrozenError, "frozen"),
    (budget_errors.IdempotencyKeyReusedError, "idempotency-key-reused"),
    (budget_errors.RequestInProgressError, "request-in-progress"),
    (budget_errors.InvalidPrivacyLossError, "invalid-price"),
    (budget_errors.LedgerUnavailableError, "ledger-unavailable"),
    (budget_errors.LedgerCorruptError, "ledger-unavailable"),
)


def _budget_problem(error: budget_errors.BudgetError) -> Problem | None:
    if isinstance(error, budget_errors.BudgetExhaustedError):
        where = {"account": error.account_id, "meter": error.meter}
        return Problem("budget-exhausted", PROBLEM_TYPES["budget-exhausted"].meaning, where)
    for kind, slug in _BUDGET_PROBLEMS:
        if isinstance(error, kind):
            return _constant(slug)
    return None


def _constant(slug: str) -> Problem:
    retry = {"request-in-progress", "engine-unavailable", "ledger-unavailable", "not-recorded"}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if slug in retry else {}
    return Problem(slug, PROBLEM_TYPES[slug].meaning, {}, headers)
