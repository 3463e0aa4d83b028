"""The kinds of problems: what each means and what to do about it; the pages under `/problems` print this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


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
        "four-eyes",
        403,
        "Somebody else has to decide this",
        "A change that allows more than before is made when two different officers approved of it. Nobody decides "
        "twice, or withdraws what somebody else proposed.",
        "Ask another officer to decide on the proposal.",
    ),
    ProblemType(
        "purpose",
        403,
        "This key is bound to other purposes",
        "The key may ask for certain purposes only, and the question states none of them. Nothing was charged.",
        "State one of the key's purposes, as `GET /v1/me` shows them.",
    ),
    ProblemType(
        "frozen",
        423,
        "The dataset is frozen",
        "Somebody stopped everything that is asked of the dataset. Nothing was charged.",
        "Wait until two officers have started it again.",
    ),
    ProblemType(
        "too-many-failures",
        403,
        "Too many releases failed",
        "Several releases of this person on this dataset failed within the last 24 hours. That a release fails is told "
        "without noise, so only few may. Nothing was charged.",
        "Wait, and ask smaller questions. Quotes, stored answers and repeats work as before.",
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
        "already-decided",
        409,
        "This was decided already",
        "The proposal was made, declined or withdrawn before.",
        "Look at the proposal. Where the change is still wanted, propose it anew.",
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
        "not-simulated",
        422,
        "The statement has no accuracy report",
        "The simulation could not draw one answer at each price in the time and memory that it may take, or the rows "
        "of the answer cannot be told apart. `detail` says which.",
        "Ask for fewer groups, prices or draws, and select the columns of GROUP BY too.",
    ),
    ProblemType(
        "invalid-price",
        422,
        "The price can't be paid as named",
        "Epsilon or rho is too small or too large.",
        "Give one of epsilon, rho and target, within the limits of the dataset.",
    ),
    ProblemType(
        "max-epsilon-exceeded",
        422,
        "The query costs more than its limit",
        "The price is above `max_epsilon` of the request or above the dataset's limit for one query. Nothing was "
        "charged.",
        "Ask with a smaller epsilon or a wider target, or raise max_epsilon where the dataset allows it.",
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
        "not-recorded",
        503,
        "Nothing was recorded",
        "The list of opt-outs and erasures can't be read or written, so none of the request was recorded.",
        "Send the same request again: to record something twice is harmless. If it lasts, tell the operators.",
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
