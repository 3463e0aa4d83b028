"""The ledger: what it holds, the rules it keeps, and the protocol that every implementation passes.

Never to change meaning: the kinds of entries, the canonical JSON, the hash of an entry. A ledger outlives the program.

Rules. A claim counts from `reserve` on: it is admitted only if spent + reserved + claim stays within the cap of each of
its meters (`meters.py`), on the account and on each of its ancestors, which is valid when each query is chosen after
seeing the answers before it (arXiv:2203.05481). `begin` turns what was reserved into what is spent, and nothing ever
takes that back. One reservation takes one way:

    reserved -> voided            nothing was touched: the claim and the idempotency key are free again
    reserved -> begun -> settled  the answer is stored with the charge
    reserved -> begun -> failed   charged in full, the stored outcome is an error
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Protocol, Self

from budgets.errors import BudgetExhaustedError, InvalidTransitionError
from budgets.meters import LIFETIME
from budgets.privacy_loss import LARGEST, ZERO, PrivacyLoss
from budgets.proposals import Governed

GENESIS_HASH: Final = "0" * 64
UNLIMITED: Final = PrivacyLoss(LARGEST, LARGEST)

# State -> (the state it follows, its step). A reservation takes each step once: begin or void, settle or fail.
STATES: Final[Mapping[str, tuple[str | None, int]]] = {
    "reserved": (None, 0),
    "reused": (None, 0),
    "begun": ("reserved", 1),
    "voided": ("reserved", 1),
    "settled": ("begun", 2),
    "failed": ("begun", 2),
}
OPEN_STATES: Final = frozenset({"reserved", "begun"})
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Account:
    """A budget: a dataset's (without parent), or a part of one, such as a person's."""

    id: str
    dataset: str
    kind: str
    parent: str | None
    owner: str | None


@dataclass(frozen=True, slots=True)
class Balance:
    """A meter of an account: its cap in force, what is spent for good, and what is reserved and may still come back."""

    account: Account
    cap: PrivacyLoss
    spent: PrivacyLoss
    reserved: PrivacyLoss
    meter: str = LIFETIME

    @property
    def remaining(self) -> PrivacyLoss:
        """What may still be reserved; zero where the cap was lowered below what is spent."""
        return self.cap.minus(self.spent + self.reserved)

    def after(self, state: str, loss: PrivacyLoss) -> Self:
        """Returns the balance once a reservation of `loss` has reached `state`. Raises BudgetExhaustedError."""
        if state == "reserved":
            used = self.spent + self.reserved
            if not used.fits_within(self.cap) or not loss.fits_within(self.cap.minus(used)):
                raise BudgetExhaustedError(self.account.id, self.meter)
            return replace(self, reserved=self.reserved + loss)
        if state == "begun":
            return replace(self, reserved=self.reserved.minus(loss), spent=self.spent + loss)
        if state == "voided":
            return replace(self, reserved=self.reserved.minus(loss))
        return self


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request wants to spend, and who asks. `query_id` is new, and names the reservation too.

    `loss` is its price, which windows of time count. `meters` has what it takes from the others: all of it from the
    lifetime, unless it says otherwise. `description` holds public facts for the auditor: dataset, sql, digests of the
    plan, snapshot, purpose.
    """

    account_id: str
    loss: PrivacyLoss
    principal: str
    idempotency_key: str
    request_digest: str
    query_id: str
    description: Mapping[str, str]
    lease_seconds: int
    meters: Mapping[str, PrivacyLoss] = field(default_factory=dict)

    @property
    def metered(self) -> Mapping[str, PrivacyLoss]:
        """What it takes from each meter of an account that is no window."""
        return {LIFETIME: self.loss, **self.meters}

    @property
    def key_digest(self) -> str:
        """The idempotency key as it is stored: scoped to the principal, and not readable by the auditor."""
        return sha256_hex(canonical_json([self.principal, self.idempotency_key]).encode())


@dataclass(frozen=True, slots=True)
class Reservation:
    """A claim that counts; its id is the claim's query_id."""

    id: str
    claim: Claim
    state: str


@dataclass(frozen=True, slots=True)
class StoredRelease:
    """One noised table that later queries may read for nothing. `table` is an Arrow IPC stream, opaque here."""

    digest: str
    snapshot: str
    rho_nano: int
    query_id: str
    dataset: str
    table: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The response to a query as it is sent, byte for byte."""

    query_id: str
    status: int
    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """One line of the query history; `at` is when it was reserved or reused, in UTC."""

    query_id: str
    principal: str
    account_id: str
    at: str
    state: str
    loss: PrivacyLoss
    description: Mapping[str, str]
    reused: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the chained record. `payload` is canonical JSON; `at` never decreases."""

    seq: int
    at: str
    kind: str
    actor: str
    payload: str
    prev_hash: str
    hash: str

    @property
    def facts(self) -> dict[str, Any]:
        """The payload, read."""
        return dict(json.loads(self.payload))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain; seq 0 and GENESIS_HASH when there is no entry."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """How many reservations with an expired lease were closed: before they began (free), and after (charged)."""

    voided: int
    failed: int


class Ledger(Governed, Protocol):
    """The one place where budgets are spent. Every call is one durable transaction, or raises and changes nothing.

    Any call may raise LedgerUnavailableError: then nothing may leave, and what was being written may or may not stand.
    """

    def open_account(
        self,
        account: Account,
        cap: PrivacyLoss,
        actor: str,
        reason: str,
        limits: Mapping[str, PrivacyLoss] | None = None,
    ) -> None:
        """Opens an account with a cap for its lifetime and limits for other kinds of meters.

        Does nothing if the same one exists, whose caps stay. Raises InvalidTransitionError on another one of that id.
        """

    def set_cap(
        self,
        account_id: str,
        cap: PrivacyLoss,
        actor: str,
        reason: str,
        *,
        meter: str = LIFETIME,
        proposal_id: str | None = None,
    ) -> Balance:
        """Sets the cap of a kind of meters, also below what is spent: then nothing more is admitted.

        Raises ApprovalNeededError for a higher one, unless the proposal is of this very change and was approved.
        """

    def accounts(self, dataset: str | None = None) -> tuple[Balance, ...]:
        """Returns the lifetime balances."""

    def balance(self, account_id: str) -> Balance:
        """Returns the lifetime balance."""

    def meters(self, account_id: str) -> tuple[Balance, ...]:
        """Returns the lifetime balance, then those of blocks and of the windows that time is in."""

    def replay(self, principal: str, idempotency_key: str, request_digest: str) -> Outcome | None:
        """Returns the stored outcome of the same request, None if the key is free.

        Raises RequestInProgressError while it is unfinished, IdempotencyKeyReusedError for another request's key.
        """

    def reserve(self, claim: Claim) -> Reservation:
        """Charges the claim to its account and every ancestor, or raises BudgetExhaustedError and charges none.

        Checks the key as `replay` does; a finished same request raises RequestInProgressError: ask `replay` again.
        """

    def begin(self, reservation_id: str) -> None:
        """Makes the charge final: private rows may be touched once this has returned."""

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        """Stores the answer and its releases: the answer may leave once this has returned."""

    def fail(self, reservation_id: str, outcome: Outcome) -> None:
        """Stores an error as the outcome of a begun query, charged in full."""

    def void(self, reservation_id: str, reason: str) -> None:
        """Gives back a reservation that was not begun; the idempotency key is free again."""

    def record_reuse(self, claim: Claim, outcome: Outcome) -> None:
        """Stores an answer that cost nothing. Raises InvalidTransitionError unless the claim's loss is zero."""

    def find_release(self, dataset: str, digest: str, snapshot: str, at_least_rho_nano: int) -> StoredRelease | None:
        """Returns the most accurate stored release of this plan and snapshot; among equals the oldest."""

    def latest_release(self, dataset: str, digest: str, within: timedelta) -> StoredRelease | None:
        """Returns the last release of this plan, of any snapshot and price, that is not older."""

    def outcome(self, query_id: str) -> Outcome | None: ...

    def queries(
        self, *, principal: str | None, dataset: str | None, before: str | None, limit: int
    ) -> tuple[QueryRecord, ...]:
        """Returns the history, newest first, from after the query `before` on."""

    def query(self, query_id: str) -> QueryRecord | None: ...

    def failures(self, principal: str, dataset: str) -> int:
        """Returns how many of the principal's queries failed after they had begun, within the last 24 hours."""

    def entries(self, *, after_seq: int, limit: int, account_id: str | None = None) -> tuple[Entry, ...]:
        """Returns entries in order; with `account_id` those of queries and caps that name it on their path."""

    def head(self) -> Head: ...

    def recover(self) -> Recovery:
        """Closes reservations whose lease has expired: reserved ones are voided, begun ones fail, charged."""

    def close(self) -> None: ...


def require_transition(present: str, state: str) -> None:
    """Raises InvalidTransitionError unless a reservation in the state `present` may reach `state`."""
    if STATES[state][0] != present:
        raise InvalidTransitionError(f"A reservation that is {present} cannot become {state}.")


def require_outcome_of(query_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...] = ()) -> None:
    """Raises InvalidTransitionError if an outcome or release belongs to another query."""
    if {outcome.query_id, *(release.query_id for release in releases)} != {query_id}:
        raise InvalidTransitionError("An outcome is stored under its own query only.")


def require_free_of_charge(claim: Claim) -> None:
    """Raises InvalidTransitionError if a reuse claims a privacy loss."""
    if claim.loss != ZERO:
        raise InvalidTransitionError("A repeat that costs something must be reserved.")


def lost_outcome(query_id: str) -> Outcome:
    """Returns the constant error that recovery stores for a query whose process went away after it had begun."""
    problem = {
        "type": "release-failed",
        "title": "The release did not finish. It is charged, because private rows may have been read.",
        "status": 503,
        "id": query_id,
    }
    return Outcome(query_id, 503, canonical_json(problem).encode(), "application/problem+json")


def canonical_json(value: object) -> str:
    r"""Returns the one JSON text of a value: keys sorted, no spaces, ASCII.

    >>> canonical_json({"b": 1, "a": ["é", None]})
    '{"a":["\\u00e9",null],"b":1}'
    """
    return _CANONICAL.encode(value)


def entry_hash(seq: int, at: str, kind: str, actor: str, payload: str, prev_hash: str) -> str:
    """Returns sha256(prev_hash || canonical JSON of the other five); `payload` is canonical text already."""
    head = canonical_json({"actor": actor, "at": at, "kind": kind})
    return sha256_hex(f'{prev_hash}{head[:-1]},"payload":{payload},"seq":{seq}}}'.encode())


def sha256_hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
