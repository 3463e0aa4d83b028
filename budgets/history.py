"""What happened, for those who look: queries, failures and entries. Reads only; `sql_ledger.py` writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, Row

from budgets.database import failing_closed
from budgets.ledger import Entry, QueryRecord, StoredRelease
from budgets.privacy_loss import PrivacyLoss
from budgets.tables import ENTRIES, POSTINGS, RELEASE_COLUMNS, RELEASES, REQUESTS, REQUESTS_WITH_STATE, TRANSITIONS

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


class History:
    """The part of the ledger that only reads."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._clock = clock

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

    def entries(self, *, after_seq: int, limit: int, account_id: str | None = None) -> tuple[Entry, ...]:
        seq = ENTRIES.c.seq if account_id is None else POSTINGS.c.seq  # the column whose index gives the order
        query = sa.select(ENTRIES).where(seq > after_seq).order_by(seq).limit(limit)
        if account_id is not None:
            query = query.join(POSTINGS, POSTINGS.c.seq == ENTRIES.c.seq).where(POSTINGS.c.account_id == account_id)
        with self.reading() as connection:
            return tuple(Entry(*row) for row in connection.execute(query))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Gives one consistent view of the database. Raises LedgerUnavailableError for any failure of it."""
        with failing_closed(), self._engine.connect() as connection, connection.begin():
            yield connection


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _to_record(row: Row[Any]) -> QueryRecord:
    loss = PrivacyLoss(row.rho_nano, row.delta_atto)
    description = json.loads(row.payload)["description"]
    reused = row.kind == "reused"
    return QueryRecord(row.query_id, row.principal, row.account_id, row.at, row.state, loss, description, reused)
