"""The ledger in an SQL database, with every rule checked in the transaction that writes.

Tables are insert-only but for `leases`, the work list of open reservations. Balances are read from the latest posting
of an account; the state of a reservation is its latest transition, and (query_id, step) is unique: no step is taken
twice.
What only SQLite needs stands in `database.py`, its triggers in the migration, and what is read only for people who
look in `history.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from budgets.anchor import Anchor
from budgets.database import WRITES, failing_closed, open_database
from budgets.errors import (
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    LedgerBehindAnchorError,
    LedgerCorruptError,
    RequestInProgressError,
    UnknownAccountError,
)
from budgets.history import History, stamp
from budgets.ledger import (
    GENESIS_HASH,
    OPEN_STATES,
    STATES,
    Account,
    Balance,
    Claim,
    Entry,
    Head,
    Outcome,
    Recovery,
    Reservation,
    StoredRelease,
    canonical_json,
    entry_hash,
    lost_outcome,
    require_free_of_charge,
    require_outcome_of,
    require_transition,
    sha256_hex,
)
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.tables import (
    ACCOUNTS,
    AMOUNTS,
    ENTRIES,
    LEASES,
    OUTCOMES,
    POSTINGS,
    RELEASE_COLUMNS,
    RELEASES,
    REQUESTS,
    REQUESTS_WITH_STATE,
    TRANSITIONS,
)

TAIL_ENTRIES: Final = 1000  # checked at every start; `audit.verify` checks all

_later = POSTINGS.alias()
_latest_posting = sa.select(sa.func.max(_later.c.seq)).where(_later.c.account_id == ACCOUNTS.c.id).scalar_subquery()
_BALANCES: Final = (
    sa.select(ACCOUNTS, POSTINGS)
    .join(POSTINGS, POSTINGS.c.account_id == ACCOUNTS.c.id)
    .where(POSTINGS.c.seq == _latest_posting)
)

# Statements of the hot path are built once: SQLAlchemy then finds their compiled form without walking them again.
_BALANCE: Final = _BALANCES.where(ACCOUNTS.c.id == sa.bindparam("account_id"))
_REQUEST: Final = REQUESTS_WITH_STATE.where(REQUESTS.c.query_id == sa.bindparam("query_id"))
_OF_KEY: Final = REQUESTS_WITH_STATE.where(REQUESTS.c.key_digest == sa.bindparam("key_digest"))
_LATEST_OF_KEY: Final = _OF_KEY.order_by(REQUESTS.c.attempt.desc()).limit(1)
_OUTCOME: Final = sa.select(OUTCOMES).where(OUTCOMES.c.query_id == sa.bindparam("query_id"))
_HEAD: Final = sa.select(ENTRIES.c.seq, ENTRIES.c.hash, ENTRIES.c.at).order_by(ENTRIES.c.seq.desc()).limit(1)
_SAME_PLAN: Final = [RELEASES.c[name] == sa.bindparam(name) for name in ("dataset", "digest", "snapshot")]
_FIND_RELEASE: Final = (
    sa.select(*(RELEASES.c[name] for name in RELEASE_COLUMNS))
    .where(*_SAME_PLAN, RELEASES.c.rho_nano >= sa.bindparam("rho_nano"))
    .order_by(RELEASES.c.rho_nano.desc(), RELEASES.c.seq, RELEASES.c.position)
    .limit(1)
)
_CLOSE_LEASE: Final = sa.delete(LEASES).where(LEASES.c.query_id == sa.bindparam("closed"))
_insert_into = cache(sa.insert)


class SqlLedger(History):
    """A Ledger in the database at `url`, which is created, upgraded and checked here.

    `anchor` is a file outside the database's own storage; opening raises LedgerBehindAnchorError if it has seen an
    entry that the database lacks, and LedgerCorruptError if the last entries do not hang together. `lost` makes the
    outcome that recovery stores for a query that was begun and never finished. Safe for threads and several processes.
    """

    def __init__(
        self,
        url: str,
        *,
        anchor: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        lost: Callable[[str], Outcome] = lost_outcome,
    ) -> None:
        self._anchor = None if anchor is None else Anchor(anchor)
        self._lost = lost
        self._writers = threading.Lock()
        super().__init__(open_database(url), clock)
        with ExitStack() as undo:
            undo.callback(self.close)
            # The anchor is read first: it may move on while the head is read, never the other way round.
            with failing_closed():
                anchored = self._anchor.read() if self._anchor else None
            with self.reading() as connection:
                head = _require_sound_tail(connection)
                if anchored is not None:
                    _require_entry(connection, anchored)
            self._advance_anchor(head)
            undo.pop_all()

    def close(self) -> None:
        self._engine.dispose()

    def open_account(self, account: Account, cap: PrivacyLoss, actor: str, reason: str) -> None:
        with self._anchoring() as writer:
            present = _find_balance(writer.connection, account.id)
            if present is not None:
                if present.account != account:
                    raise InvalidTransitionError(f"Another account has the id {account.id!r}.")
                return
            if (
                account.parent is not None
                and _balance(writer.connection, account.parent).account.dataset != account.dataset
            ):
                raise InvalidTransitionError("An account and its parent belong to one dataset.")
            writer.insert(ACCOUNTS, **asdict(account))
            facts = {"account": asdict(account), "reason": reason}
            writer.append("account-opened", actor, facts, [Balance(account, cap, ZERO, ZERO)])

    def set_cap(self, account_id: str, cap: PrivacyLoss, actor: str, reason: str) -> Balance:
        with self._anchoring() as writer:
            present = _balance(writer.connection, account_id)
            balance = Balance(present.account, cap, present.spent, present.reserved)
            writer.append("cap-set", actor, {"account_id": account_id, "reason": reason}, [balance])
        return balance

    def accounts(self, dataset: str | None = None) -> tuple[Balance, ...]:
        query = _BALANCES if dataset is None else _BALANCES.where(ACCOUNTS.c.dataset == dataset)
        with self.reading() as connection:
            return tuple(_to_balance(row) for row in connection.execute(query.order_by(ACCOUNTS.c.id)))

    def balance(self, account_id: str) -> Balance:
        with self.reading() as connection:
            return _balance(connection, account_id)

    def replay(self, principal: str, idempotency_key: str, request_digest: str) -> Outcome | None:
        claim = Claim("", ZERO, principal, idempotency_key, request_digest, "", {}, 0)
        with self.reading() as connection:
            earlier = _earlier_request(connection, claim)
            if earlier is None or earlier.state == "voided":
                return None
            stored = _find_outcome(connection, earlier.query_id)
        if stored is None:
            raise RequestInProgressError("The same request is being worked on.")
        return stored

    def reserve(self, claim: Claim) -> Reservation:
        until = stamp(self._clock() + timedelta(seconds=claim.lease_seconds))
        with self._writing() as writer:
            writer.take_up("reserved", claim, {"lease_until": until})
            writer.insert(LEASES, query_id=claim.query_id, until=until)
        return Reservation(claim.query_id, claim, "reserved")

    def begin(self, reservation_id: str) -> None:
        with self._anchoring() as writer:
            writer.move("begun", reservation_id, {})

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        with self._anchoring() as writer:
            writer.finish("settled", reservation_id, outcome, releases)

    def fail(self, reservation_id: str, outcome: Outcome) -> None:
        with self._anchoring() as writer:
            writer.finish("failed", reservation_id, outcome)

    def void(self, reservation_id: str, reason: str) -> None:
        with self._writing() as writer:
            writer.move("voided", reservation_id, {"reason": reason})

    def record_reuse(self, claim: Claim, outcome: Outcome) -> None:
        require_free_of_charge(claim)
        require_outcome_of(claim.query_id, outcome)
        with self._writing() as writer:
            writer.take_up("reused", claim, {"outcome": _outcome_facts(outcome)})
            writer.insert(OUTCOMES, **asdict(outcome))

    def find_release(self, dataset: str, digest: str, snapshot: str, at_least_rho_nano: int) -> StoredRelease | None:
        wanted = {"dataset": dataset, "digest": digest, "snapshot": snapshot, "rho_nano": at_least_rho_nano}
        with self.reading() as connection:
            row = connection.execute(_FIND_RELEASE, wanted).one_or_none()
        return None if row is None else StoredRelease(*row)

    def outcome(self, query_id: str) -> Outcome | None:
        with self.reading() as connection:
            return _find_outcome(connection, query_id)

    def head(self) -> Head:
        with self.reading() as connection:
            return _head(connection)[0]

    def recover(self) -> Recovery:
        leased = REQUESTS_WITH_STATE.join(LEASES, LEASES.c.query_id == REQUESTS.c.query_id)
        with self._anchoring() as writer:
            expired = writer.connection.execute(leased.where(LEASES.c.until <= stamp(self._clock()))).all()
            for request in expired:
                if request.state == "reserved":
                    writer.move("voided", request.query_id, {"reason": "lease expired"}, actor="recovery")
                else:
                    writer.finish("failed", request.query_id, self._lost(request.query_id), actor="recovery")
        voided = sum(request.state == "reserved" for request in expired)
        return Recovery(voided, len(expired) - voided)

    @contextmanager
    def _writing(self) -> Iterator[_Writer]:
        """Gives the one writer of all processes; what it wrote is durable when this has ended."""
        writers = self._engine.execution_options(**WRITES)
        with failing_closed(), self._writers, writers.connect() as connection, connection.begin():
            yield _Writer.start(connection, stamp(self._clock()))

    @contextmanager
    def _anchoring(self) -> Iterator[_Writer]:
        """As `_writing`, and anchored when this has ended: for every charge, answer and cap.

        Only a reservation of which nothing was read, or a free repeat, can be lost with an old copy that passes.
        """
        with self._writing() as writer:
            yield writer
        self._advance_anchor(writer.head)

    def _advance_anchor(self, head: Head) -> None:
        if self._anchor is not None:
            with failing_closed():
                self._anchor.advance(head)


@dataclass(slots=True)
class _Writer:
    """The open write transaction: the connection, the time of its entries and the end of the chain so far."""

    connection: Connection
    at: str
    head: Head

    @classmethod
    def start(cls, connection: Connection, now: str) -> Self:
        head, at = _head(connection)
        return cls(connection, max(now, at), head)

    def insert(self, table: sa.TableClause, /, **values: object) -> None:
        self.connection.execute(_insert_into(table), values)

    def append(self, kind: str, actor: str, facts: Mapping[str, object], balances: Sequence[Balance]) -> None:
        """Adds an entry that states the balances it leaves behind, and posts them."""
        postings = [
            {"account_id": balance.account.id}
            | {f"{amount}_{unit}": n for amount in AMOUNTS for unit, n in asdict(getattr(balance, amount)).items()}
            for balance in balances
        ]
        payload = canonical_json({**facts, "postings": postings})
        seq, prev_hash = self.head.seq + 1, self.head.hash
        self.head = Head(seq, entry_hash(seq, self.at, kind, actor, payload, prev_hash))
        entry = Entry(seq, self.at, kind, actor, payload, prev_hash, self.head.hash)
        self.insert(ENTRIES, **asdict(entry))
        self.connection.execute(_insert_into(POSTINGS), [{"seq": seq, **posting} for posting in postings])

    def take_up(self, state: str, claim: Claim, facts: Mapping[str, object]) -> None:
        """Starts a query as `reserved` or `reused`, if its key is free and the budgets cover it."""
        earlier = _earlier_request(self.connection, claim)
        if earlier is not None and earlier.state != "voided":
            raise RequestInProgressError("The same request was taken up before.")
        if _find_request(self.connection, claim.query_id) is not None:
            raise InvalidTransitionError(f"The query id {claim.query_id!r} is taken.")
        path = _path(self.connection, claim.account_id)
        request = {
            "query_id": claim.query_id,
            "principal": claim.principal,
            "account_id": claim.account_id,
            **asdict(claim.loss),
            "key_digest": claim.key_digest,
            "attempt": 1 if earlier is None else earlier.attempt + 1,
            "request_digest": claim.request_digest,
        }
        facts = {**request, "description": dict(claim.description), **facts}
        self.append(state, claim.principal, facts, [balance.after(state, claim.loss) for balance in path])
        self.insert(REQUESTS, **request, dataset=path[0].account.dataset, seq=self.head.seq)
        self._transition(claim.query_id, state)

    def move(self, state: str, query_id: str, facts: Mapping[str, object], actor: str | None = None) -> None:
        """Takes a reservation one step on. Raises InvalidTransitionError if it is not in the state before."""
        request = _find_request(self.connection, query_id)
        if request is None:
            raise InvalidTransitionError(f"There is no reservation {query_id!r}.")
        require_transition(request.state, state)
        loss = PrivacyLoss(request.rho_nano, request.delta_atto)
        balances = [balance.after(state, loss) for balance in _path(self.connection, request.account_id)]
        self.append(state, actor or request.principal, {"query_id": query_id, **facts}, balances)
        self._transition(query_id, state)
        if state not in OPEN_STATES:
            self.connection.execute(_CLOSE_LEASE, {"closed": query_id})

    def finish(
        self,
        state: str,
        query_id: str,
        outcome: Outcome,
        releases: tuple[StoredRelease, ...] = (),
        actor: str | None = None,
    ) -> None:
        """Ends a begun query, its outcome and releases stored in the same transaction."""
        require_outcome_of(query_id, outcome, releases)
        facts = {"outcome": _outcome_facts(outcome), "releases": [_release_facts(release) for release in releases]}
        self.move(state, query_id, facts, actor)
        self.insert(OUTCOMES, **asdict(outcome))
        for position, release in enumerate(releases):
            self.insert(RELEASES, **asdict(release), position=position, seq=self.head.seq)

    def _transition(self, query_id: str, state: str) -> None:
        self.insert(TRANSITIONS, query_id=query_id, step=STATES[state][1], state=state, seq=self.head.seq)


def _outcome_facts(outcome: Outcome) -> dict[str, object]:
    return {"status": outcome.status, "media_type": outcome.media_type, "body_sha256": sha256_hex(outcome.body)}


def _release_facts(release: StoredRelease) -> dict[str, object]:
    facts = asdict(release)
    return {"table_sha256": sha256_hex(facts.pop("table")), **facts}


def _to_balance(row: Row[Any]) -> Balance:
    cap, spent, reserved = (
        PrivacyLoss(getattr(row, f"{amount}_rho_nano"), getattr(row, f"{amount}_delta_atto")) for amount in AMOUNTS
    )
    return Balance(Account(row.id, row.dataset, row.kind, row.parent, row.owner), cap, spent, reserved)


def _find_balance(connection: Connection, account_id: str) -> Balance | None:
    row = connection.execute(_BALANCE, {"account_id": account_id}).one_or_none()
    return None if row is None else _to_balance(row)


def _balance(connection: Connection, account_id: str) -> Balance:
    found = _find_balance(connection, account_id)
    if found is None:
        raise UnknownAccountError(account_id)
    return found


def _path(connection: Connection, account_id: str) -> list[Balance]:
    """Returns the account and its ancestors; it ends, because a parent is older than its child and never changes."""
    path = [_balance(connection, account_id)]
    while (parent := path[-1].account.parent) is not None:
        path.append(_balance(connection, parent))
    return path


def _find_request(connection: Connection, query_id: str) -> Row[Any] | None:
    return connection.execute(_REQUEST, {"query_id": query_id}).one_or_none()


def _earlier_request(connection: Connection, claim: Claim) -> Row[Any] | None:
    """Returns the latest request under the key. Raises IdempotencyKeyReusedError if it is another, and not voided."""
    earlier = connection.execute(_LATEST_OF_KEY, {"key_digest": claim.key_digest}).one_or_none()
    if earlier is not None and earlier.state != "voided" and earlier.request_digest != claim.request_digest:
        raise IdempotencyKeyReusedError("This idempotency key was used for another request.")
    return earlier


def _find_outcome(connection: Connection, query_id: str) -> Outcome | None:
    row = connection.execute(_OUTCOME, {"query_id": query_id}).one_or_none()
    return None if row is None else Outcome(row.query_id, row.status, row.body, row.media_type)


def _head(connection: Connection) -> tuple[Head, str]:
    """Returns the end of the chain and the time of its last entry."""
    row = connection.execute(_HEAD).one_or_none()
    return (Head(0, GENESIS_HASH), "") if row is None else (Head(row.seq, row.hash), row.at)


def _require_sound_tail(connection: Connection) -> Head:
    """Returns the head. Raises LedgerCorruptError if the last entries are not one chain, or their postings differ."""
    newest = sa.select(ENTRIES).order_by(ENTRIES.c.seq.desc()).limit(TAIL_ENTRIES + 1)
    tail = [Entry(*row) for row in connection.execute(newest)][::-1]
    before = Entry(0, "", "", "", "", "", GENESIS_HASH)
    if len(tail) > TAIL_ENTRIES:
        before, *tail = tail
    posted: dict[int, list[dict[str, object]]] = {}
    for row in connection.execute(sa.select(POSTINGS).where(POSTINGS.c.seq > before.seq)).mappings():
        posted.setdefault(row["seq"], []).append({name: value for name, value in row.items() if name != "seq"})
    for entry in tail:
        linked = (entry.seq, entry.prev_hash) == (before.seq + 1, before.hash) and entry.at >= before.at
        content = (entry.seq, entry.at, entry.kind, entry.actor, entry.payload, entry.prev_hash)
        if not linked or entry.hash != entry_hash(*content):
            raise LedgerCorruptError(f"The chain of the ledger is broken at entry {entry.seq}.")
        if sorted(map(canonical_json, entry.facts["postings"])) != sorted(
            map(canonical_json, posted.pop(entry.seq, []))
        ):
            raise LedgerCorruptError(f"The postings of entry {entry.seq} are not what the entry says.")
        before = entry
    if posted:
        raise LedgerCorruptError("There are postings without an entry.")
    return Head(before.seq, before.hash)


def _require_entry(connection: Connection, anchored: Head) -> None:
    found = connection.execute(sa.select(ENTRIES.c.hash).where(ENTRIES.c.seq == anchored.seq)).scalar_one_or_none()
    if anchored.seq > 0 and found != anchored.hash:
        raise LedgerBehindAnchorError(f"The ledger lacks entry {anchored.seq}, which its anchor has seen.")
