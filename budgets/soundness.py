"""What a ledger is checked for at every start: the end of its chain, the postings of it, and its anchor."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from budgets.errors import LedgerBehindAnchorError, LedgerCorruptError
from budgets.ledger import GENESIS_HASH, Entry, Head, canonical_json, entry_hash
from budgets.meters import LIFETIME
from budgets.tables import ENTRIES, POSTINGS

TAIL_ENTRIES: Final = 1000  # checked at every start; `audit.verify` checks all

_WHOLE: Final = "PRAGMA integrity_check(1)"


def require_sound_tail(connection: Connection) -> Head:
    """Returns the head. Raises LedgerCorruptError if the last entries are not one chain, or their postings differ.

    In an SQLite file all rows have to be in all indexes too: a key that its index lacks could be charged a second time.
    """
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql(_WHOLE).scalar_one() != "ok":
        raise LedgerCorruptError("The ledger's file contradicts itself.")
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
        stated = [{"meter": LIFETIME, **posting} for posting in entry.facts["postings"]]
        if _sorted(stated) != _sorted(posted.pop(entry.seq, [])):
            raise LedgerCorruptError(f"The postings of entry {entry.seq} are not what the entry says.")
        before = entry
    if posted:
        raise LedgerCorruptError("There are postings without an entry.")
    return Head(before.seq, before.hash)


def require_entry(connection: Connection, anchored: Head) -> None:
    """Raises LedgerBehindAnchorError if the ledger lacks the anchored entry."""
    found = connection.execute(sa.select(ENTRIES.c.hash).where(ENTRIES.c.seq == anchored.seq)).scalar_one_or_none()
    if anchored.seq > 0 and found != anchored.hash:
        raise LedgerBehindAnchorError(f"The ledger lacks entry {anchored.seq}, which its anchor has seen.")


def _sorted(postings: list[dict[str, object]]) -> list[str]:
    return sorted(map(canonical_json, postings))
