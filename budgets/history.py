"""What the ledger holds, for those who look: balances, answers, queries, failures, entries. `writer.py` writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Row

from budgets.database import failing_closed
from budgets.errors import RequestInProgressError, UnknownAccountError
from budgets.ledger import Balance, Claim, Entry, Head, Outcome, QueryRecord, StoredRelease
from budgets.meters import LIFETIME, WINDOWS, window_at
from budgets.pace import Spending
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.tables import (
    ACCOUNTS,
    BALANCES,
    ENTRIES,
    METERS,
    OUTCOMES,
    POSTINGS,
    RELEASE_COLUMNS,
    RELEASES,
    REQUESTS,
    REQUESTS_WITH_STATE,
    TRANSITIONS,
)
from budgets.writer import earlier_request, find_head, to_balance

_LIFETIMES: Final = BALANCES.where(METERS.c.meter == LIFETIME)
_METERS: Final = BALANCES.where(METERS.c.account_id == sa.bindparam("account_id")).order_by(
    METERS.c.seq, METERS.c.meter
)
_OUTCOME: Final = sa.select(OUTCOMES).where(OUTCOMES.c.query_id == sa.bindparam("query_id"))
_SAME_PLAN: Final = [RELEASES.c[name] == sa.bindparam(name) for name in ("dataset", "digest", "snapshot")]
_FIND_RELEASE: Final = (
    sa.select(*(RELEASES.c[name] for name in RELEASE_COLUMNS))
    .where(*_SAME_PLAN, RELEASES.c.rho_nano >= sa.bindparam("rho_nano"))
    .order_by(RELEASES.c.rho_nano.desc(), RELEASES.c.seq, RELEASES.c.position)
    .limit(1)
)
_of_entry = (ENTRIES.c.at, ENTRIES.c.kind, ENTRIES.c.payload)
_HISTORY: Final = REQUESTS_WITH_STATE.add_columns(*_of_entry).join(ENTRIES, ENTRIES.c.seq == REQUESTS.c.seq)
_FAILURES: Final = (
    sa.select(sa.func.count())
    .select_from(TRANSITIONS)
    .join(REQUESTS, REQUESTS.c.query_id == TRANSITIONS.c.query_id)
    .join(ENTRIES, ENTRIES.c.seq == TRANSITIONS.c.seq)
    .where(TRANSITIONS.c.state == "failed", ENTRIES.c.at > sa.bindparam("since"))
    .where(*(REQUESTS.c[name] == sa.bindparam(name) for name in ("principal", "dataset")))
)


_LATEST: Final = (
    sa.select(*(RELEASES.c[name] for name in RELEASE_COLUMNS))
    .join(ENTRIES, ENTRIES.c.seq == RELEASES.c.seq)
    .where(*(RELEASES.c[name] == sa.bindparam(name) for name in ("dataset", "digest")))
    .where(ENTRIES.c.at > sa.bindparam("since"))
    .order_by(RELEASES.c.seq.desc())
    .limit(1)
)


_LIFETIME_OF: Final = (POSTINGS.c.account_id == sa.bindparam("account_id"), POSTINGS.c.meter == LIFETIME)
_SPENT_AT: Final = (
    sa.select(POSTINGS.c.spent_rho_nano, POSTINGS.c.spent_delta_atto)
    .join(ENTRIES, ENTRIES.c.seq == POSTINGS.c.seq)
    .where(*_LIFETIME_OF, ENTRIES.c.at <= sa.bindparam("moment"))
    .order_by(POSTINGS.c.seq.desc())
    .limit(1)
)
_FIRST_CHARGE: Final = (
    sa.select(ENTRIES.c.at)
    .join(POSTINGS, POSTINGS.c.seq == ENTRIES.c.seq)
    .where(*_LIFETIME_OF, sa.or_(POSTINGS.c.spent_rho_nano > 0, POSTINGS.c.spent_delta_atto > 0))
    .order_by(POSTINGS.c.seq)
    .limit(1)
)


class History:
    """The part of the ledger that only reads."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

    def accounts(self, dataset: str | None = None) -> tuple[Balance, ...]:
        query = _LIFETIMES if dataset is None else _LIFETIMES.where(ACCOUNTS.c.dataset == dataset)
        with self.reading() as connection:
            return tuple(to_balance(row) for row in connection.execute(query.order_by(ACCOUNTS.c.id)))

    def balance(self, account_id: str) -> Balance:
        return self.meters(account_id)[0]

    def meters(self, account_id: str) -> tuple[Balance, ...]:
        with self.reading() as connection:
            found = [to_balance(row) for row in connection.execute(_METERS, {"account_id": account_id})]
        lifetime = next((balance for balance in found if balance.meter == LIFETIME), None)
        if lifetime is None:
            raise UnknownAccountError(account_id)
        limits = {balance.meter: balance.cap for balance in found if balance.meter in WINDOWS}
        now = {window_at(kind, stamp(self._clock())): kind for kind in limits}
        others = {balance.meter: balance for balance in found if balance.meter not in (LIFETIME, *WINDOWS)}
        fresh = [Balance(lifetime.account, limits[kind], ZERO, ZERO, m) for m, kind in now.items() if m not in others]
        past = {meter for meter in others if meter.partition(":")[0] in WINDOWS and meter not in now}
        return (lifetime, *(each for meter, each in others.items() if meter not in past), *fresh)

    def replay(self, principal: str, idempotency_key: str, request_digest: str) -> Outcome | None:
        claim = Claim("", ZERO, principal, idempotency_key, request_digest, "", {}, 0)
        with self.reading() as connection:
            earlier = earlier_request(connection, claim)
            if earlier is None or earlier.state == "voided":
                return None
            stored = _find_outcome(connection, earlier.query_id)
        if stored is None:
            raise RequestInProgressError("The same request is being worked on.")
        return stored

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
            return find_head(connection)[0]

    def queries(
        self, *, principal: str | None, dataset: str | None, before: str | None, limit: int
    ) -> tuple[QueryRecord, ...]:
        query = _HISTORY.order_by(REQUESTS.c.seq.desc()).limit(limit)
        if principal is not None:
            query = query.where(REQUESTS.c.principal == principal)
        if dataset is not None:
            query = query.where(REQUESTS.c.dataset == dataset)
        if before is not None:
            cursor = REQUESTS.alias()
            limit_seq = sa.select(cursor.c.seq).where(cursor.c.query_id == before).scalar_subquery()
            query = query.where(REQUESTS.c.seq < limit_seq)
        with self.reading() as connection:
            return tuple(_to_record(row) for row in connection.execute(query))

    def query(self, query_id: str) -> QueryRecord | None:
        with self.reading() as connection:
            row = connection.execute(_HISTORY.where(REQUESTS.c.query_id == query_id)).one_or_none()
        return None if row is None else _to_record(row)

    def failures(self, principal: str, dataset: str) -> int:
        since = stamp(self._clock() - timedelta(days=1))
        with self.reading() as connection:
            asked = {"principal": principal, "dataset": dataset, "since": since}
            return int(connection.execute(_FAILURES, asked).scalar_one())

    def latest_release(self, dataset: str, digest: str, within: timedelta) -> StoredRelease | None:
        wanted = {"dataset": dataset, "digest": digest, "since": stamp(self._clock() - within)}
        with self.reading() as connection:
            row = connection.execute(_LATEST, wanted).one_or_none()
        return None if row is None else StoredRelease(*row)

    def spending(self, account_id: str, at: str) -> Spending:
        with self.reading() as connection:
            before = connection.execute(_SPENT_AT, {"account_id": account_id, "moment": at}).one_or_none()
            first = connection.execute(_FIRST_CHARGE, {"account_id": account_id}).scalar_one_or_none()
        return Spending(ZERO if before is None else PrivacyLoss(*before), first)

    def entries(self, *, after_seq: int, limit: int, account_id: str | None = None) -> tuple[Entry, ...]:
        query = sa.select(ENTRIES).where(ENTRIES.c.seq > after_seq).order_by(ENTRIES.c.seq).limit(limit)
        if account_id is not None:
            own = sa.select(POSTINGS.c.seq).where(POSTINGS.c.account_id == account_id, POSTINGS.c.seq > after_seq)
            query = query.where(ENTRIES.c.seq.in_(own))
        with self.reading() as connection:
            return tuple(Entry(*row) for row in connection.execute(query))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Gives one consistent view of the database. Raises LedgerUnavailableError for any failure of it."""
        with failing_closed(), self._engine.connect() as connection, connection.begin():
            yield connection


def _find_outcome(connection: Connection, query_id: str) -> Outcome | None:
    row = connection.execute(_OUTCOME, {"query_id": query_id}).one_or_none()
    return None if row is None else Outcome(row.query_id, row.status, row.body, row.media_type)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _to_record(row: Row[Any]) -> QueryRecord:
    loss = PrivacyLoss(row.rho_nano, row.delta_atto)
    description = json.loads(row.payload)["description"]
    reused = row.kind == "reused"
    return QueryRecord(row.query_id, row.principal, row.account_id, row.at, row.state, loss, description, reused)
