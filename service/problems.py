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

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_SECONDS: Final = 1


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of problem: its address is `/problems/<slug>`, where `meaning` and `remedy` are printed."""

    slug: str
    status: int
    title: str
    meaning: str
    remedy: str

    @property
    def type(self) -> str:
        """The relative URI that identifies the problem, and leads to its page."""
        return f"/problems/{self.slug}"


_ROWS: Final = (
    ProblemType(
        "bad-request",
        400,
        "The request could not be read",
        "The request is not well-formed HTTP, or its body is not one well-formed JSON document: text after the end, "
        "a name twice in one object, NaN or Infinity, a NUL or half a surrogate pair in a string, or nesting deeper "
        "than 50.",
        "Send UTF-8 JSON as written in RFC 8259, with the content type application/json.",
    ),
    ProblemType(
        "sql-syntax",
        400,
        "The SQL could not be read",
        "The statement is not one readable SQL statement. The problem names line and column.",
        "Correct the statement at the position that is named. Nothing was charged.",
    ),
    ProblemType(
        "idempotency-key-missing",
        400,
        "An Idempotency-Key header is needed",
        "A request that can spend budget must carry an Idempotency-Key of 1 to 200 visible ASCII characters, so that"
        " a retry gets the stored answer and is never charged twice.",
        "Send a fresh random value, for instance a UUID, with each new question, and the same value when you retry it.",
    ),
    ProblemType(
        "unauthenticated",
        401,
        "A valid API key is needed",
        "The Authorization header is missing, or its key is unknown, revoked or expired. Which of these is not said.",
        "Send `Authorization: Bearer <key>`. An administrator creates keys.",
    ),
    ProblemType(
        "role",
        403,
        "This key's role may not do that",
        "Each key has one role: analyst, dashboard, officer, auditor or admin. The call belongs to another role.",
        "Use a key of a role that the documentation of the call names.",
    ),
    ProblemType(
        "budget-exhausted",
        403,
        "The privacy budget does not suffice",
        "The query would spend more than is left on an account of its path. Nothing was charged.",
        "Ask for a smaller epsilon, repeat an earlier question (free), or ask an officer about the budget.",
    ),
    ProblemType(
        "no-budget-account",
        403,
        "There is no budget for this person",
        "The owner of the key has no budget account on this dataset. Nothing was charged.",
        "Ask an officer: persons and their budgets are named in the dataset's policy.",
    ),
    ProblemType(
        "not-found",
        404,
        "Not found",
        "There is nothing at this address, or nothing that this key may know of. The two are not told apart.",
        "Check the address, and whether the key's owner is the one who asked the query.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "This method is not offered here",
        "The address exists, but not with this HTTP method. The Allow header names those it has.",
        "Use one of the methods of the Allow header.",
    ),
    ProblemType(
        "body-timeout",
        408,
        "The request body took too long",
        "The body did not arrive in the time that the service allows.",
        "Send the request again.",
    ),
    ProblemType(
        "request-in-progress",
        409,
        "The same request is still being worked on",
        "Another request with the same Idempotency-Key has not finished yet.",
        "Wait as long as Retry-After says, then send the same request with the same Idempotency-Key: it gets the "
        "same answer.",
    ),
    ProblemType(
        "too-large",
        413,
        "The request is too large",
        "A body may have at most 64 KiB.",
        "Send a smaller request.",
    ),
    ProblemType(
        "unsupported-media-type",
        415,
        "The body must be JSON",
        "The content type of the body is not application/json.",
        "Send `Content-Type: application/json`.",
    ),
    ProblemType(
        "query-not-private",
        422,
        "The query can't be answered privately as written",
        "The type checker could not show that the statement is about groups of people and not about single ones. "
        "`code` and `reason` say why, `line` and `column` where, `hint` and `rewrite` what to write instead. Nothing"
        " was charged.",
        "Follow the hint.",
    ),
    ProblemType(
        "postprocess-failed",
        422,
        "The last step of the query failed",
        "The part of the statement that runs on noised and public tables failed there.",
        "Check functions and types outside the aggregates.",
    ),
    ProblemType(
        "invalid-price",
        422,
        "The price can't be paid as named",
        "Epsilon or rho is too small, too large, or both were given.",
        "Give one of epsilon and rho, within the limits of the dataset.",
    ),
    ProblemType(
        "max-epsilon-exceeded",
        422,
        "The query costs more than its limit",
        "The price is above `max_epsilon` of the request or above the dataset's limit for one query. Nothing was "
        "charged.",
        "Ask with a smaller epsilon, or raise max_epsilon where the dataset allows it.",
    ),
    ProblemType(
        "idempotency-key-reused",
        422,
        "This Idempotency-Key belongs to another request",
        "The same key was used before with another body.",
        "Use a fresh Idempotency-Key for a new question.",
    ),
    ProblemType(
        "invalid-request",
        422,
        "The request is not valid",
        "The body or a parameter does not fit the schema. `errors` names each place and what is wrong there, never "
        "the value.",
        "Compare the request with the documentation of the call.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "The key sends faster than it may, or the service has all the requests in flight that it can take.",
        "Wait as long as Retry-After says.",
    ),
    ProblemType(
        "headers-too-large",
        431,
        "The request headers are too large",
        "All header names and values together may have at most 16 KiB.",
        "Send fewer or shorter headers.",
    ),
    ProblemType(
        "internal",
        500,
        "Something went wrong here",
        "A fault of the service. Its log holds the request id, and nothing of your data.",
        "Tell the operators the request id. A retry with the same Idempotency-Key is safe.",
    ),
    ProblemType(
        "release-failed",
        503,
        "The release did not finish",
        "Work on private rows had begun and did not end well. It is charged in full, because private rows may have "
        "been read, and no more is said about the cause, because the cause may depend on them.",
        "A retry with the same Idempotency-Key gets this same answer. Ask anew, perhaps with fewer groups.",
    ),
    ProblemType(
        "engine-unavailable",
        503,
        "No worker could take the query",
        "No worker is free or running. No private row was touched and nothing was charged.",
        "Send the same request again with the same Idempotency-Key.",
    ),
    ProblemType(
        "ledger-unavailable",
        503,
        "The ledger can't be used",
        "The budget ledger can't be read or written, so nothing leaves the service.",
        "Retry with the same Idempotency-Key. If it lasts, the operators must look at the ledger.",
    ),
)

PROBLEM_TYPES: Final[Mapping[str, ProblemType]] = {row.slug: row for row in _ROWS}


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
        case query_errors.ReleaseFailedError():
            return _constant("release-failed")
        case query_errors.EngineUnavailableError():
            return _constant("engine-unavailable")
        case _:
            return None


_BUDGET_PROBLEMS: Final[tuple[tuple[type[budget_errors.BudgetError], str], ...]] = (
    (budget_errors.UnknownAccountError, "no-budget-account"),
    (budget_errors.IdempotencyKeyReusedError, "idempotency-key-reused"),
    (budget_errors.RequestInProgressError, "request-in-progress"),
    (budget_errors.InvalidPrivacyLossError, "invalid-price"),
    (budget_errors.LedgerUnavailableError, "ledger-unavailable"),
    (budget_errors.LedgerCorruptError, "ledger-unavailable"),
)


def _budget_problem(error: budget_errors.BudgetError) -> Problem | None:
    if isinstance(error, budget_errors.BudgetExhaustedError):
        return Problem("budget-exhausted", PROBLEM_TYPES["budget-exhausted"].meaning, {"account": error.account_id})
    for kind, slug in _BUDGET_PROBLEMS:
        if isinstance(error, kind):
            return _constant(slug)
    return None


def _constant(slug: str) -> Problem:
    retry = {"request-in-progress", "engine-unavailable", "ledger-unavailable"}
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if slug in retry else {}
    return Problem(slug, PROBLEM_TYPES[slug].meaning, {}, headers)
