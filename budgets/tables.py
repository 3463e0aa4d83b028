"""The tables of the ledger, as its migrations make them, and the state of a request."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import sqlalchemy as sa

from budgets.ledger import StoredRelease

AMOUNTS: Final = ("cap", "spent", "reserved")


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


ENTRIES: Final = _table("entries", "seq", "at", "kind", "actor", "payload", "prev_hash", "hash")
ACCOUNTS: Final = _table("accounts", "id", "dataset", "kind", "parent", "owner")
POSTINGS: Final = _table(
    "postings", "account_id", "seq", *(f"{amount}_{unit}" for amount in AMOUNTS for unit in ("rho_nano", "delta_atto"))
)
_IDENTITY: Final = ("principal", "dataset", "account_id", "rho_nano", "delta_atto")
REQUESTS: Final = _table("requests", "query_id", "seq", *_IDENTITY, "key_digest", "attempt", "request_digest")
TRANSITIONS: Final = _table("transitions", "query_id", "step", "state", "seq")
OUTCOMES: Final = _table("outcomes", "query_id", "status", "body", "media_type")
RELEASE_COLUMNS: Final = tuple(field.name for field in fields(StoredRelease))
RELEASES: Final = _table("releases", *RELEASE_COLUMNS, "position", "seq")
LEASES: Final = _table("leases", "query_id", "until")

_state = sa.select(TRANSITIONS.c.state).where(TRANSITIONS.c.query_id == REQUESTS.c.query_id)
_latest_state = _state.order_by(TRANSITIONS.c.step.desc()).limit(1).scalar_subquery()
REQUESTS_WITH_STATE: Final = sa.select(REQUESTS, _latest_state.label("state"))
