"""The ledger in an SQL database, SQLite or PostgreSQL, with every rule checked in the transaction that writes.

What a transaction does stands in `writer.py`, how it becomes durable in `commits.py`, what differs between databases in
`database.py`, and what is only read in `history.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from budgets.anchor import Anchor
from budgets.commits import Commits
from budgets.database import failing_closed, open_database
from budgets.governance import Governance
from budgets.history import stamp
from budgets.ledger import (
    Claim,
    Outcome,
    Recovery,
    Reservation,
    StoredRelease,
    lost_outcome,
    require_free_of_charge,
    require_outcome_of,
)
from budgets.soundness import require_entry, require_sound_tail
from budgets.tables import LEASES, OUTCOMES, REQUESTS, REQUESTS_WITH_STATE, columns_of
from budgets.writer import Writer, outcome_facts

_LEASED: Final = REQUESTS_WITH_STATE.join(LEASES, LEASES.c.query_id == REQUESTS.c.query_id)
_EXPIRED: Final = _LEASED.where(LEASES.c.until <= sa.bindparam("now"))


class SqlLedger(Governance):
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
        self._lost = lost
        super().__init__(open_database(url), clock)
        kept = None if anchor is None else Anchor(anchor)
        self._commits = Commits(self._engine, kept, lambda: stamp(clock()))
        with ExitStack() as undo:
            undo.callback(self.close)
            # The anchor is read first: it may move on while the head is read, never the other way round.
            with failing_closed():
                anchored = None if kept is None else kept.read()
            with self.reading() as connection:
                head = require_sound_tail(connection)
                if anchored is not None:
                    require_entry(connection, anchored)
            self._commits.advance_anchor(head)
            undo.pop_all()

    def close(self) -> None:
        self._engine.dispose()

    def reserve(self, claim: Claim) -> Reservation:
        until = stamp(self._clock() + timedelta(seconds=claim.lease_seconds))

        def take_up(writer: Writer) -> None:
            writer.take_up("reserved", claim, {"lease_until": until})
            writer.insert(LEASES, {"query_id": claim.query_id, "until": until})

        self._commits.run(take_up)
        return Reservation(claim.query_id, claim, "reserved")

    def begin(self, reservation_id: str) -> None:
        self._commits.run_anchored(lambda writer: writer.move("begun", reservation_id, {}))

    def settle(self, reservation_id: str, outcome: Outcome, releases: tuple[StoredRelease, ...]) -> None:
        self._commits.run_anchored(lambda writer: writer.finish("settled", reservation_id, outcome, releases))

    def fail(self, reservation_id: str, outcome: Outcome) -> None:
        self._commits.run_anchored(lambda writer: writer.finish("failed", reservation_id, outcome))

    def void(self, reservation_id: str, reason: str) -> None:
        self._commits.run(lambda writer: writer.move("voided", reservation_id, {"reason": reason}))

    def record_reuse(self, claim: Claim, outcome: Outcome) -> None:
        require_free_of_charge(claim)
        require_outcome_of(claim.query_id, outcome)

        def take_up(writer: Writer) -> None:
            writer.take_up("reused", claim, {"outcome": outcome_facts(outcome)})
            writer.insert(OUTCOMES, columns_of(outcome))

        self._commits.run(take_up)

    def recover(self) -> Recovery:
        return self._commits.run_anchored(self._end_expired)

    def _end_expired(self, writer: Writer) -> Recovery:
        expired = writer.connection.execute(_EXPIRED, {"now": stamp(self._clock())}).all()
        for request in expired:
            if request.state == "reserved":
                writer.move("voided", request.query_id, {"reason": "lease expired"}, actor="recovery")
            else:
                writer.finish("failed", request.query_id, self._lost(request.query_id), actor="recovery")
        voided = sum(request.state == "reserved" for request in expired)
        return Recovery(voided, len(expired) - voided)
