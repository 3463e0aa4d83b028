"""The tables of the ledger, as its migrations make them, the state of a request and the balance of a meter."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import sqlalchemy as sa

from budgets.ledger import StoredRelease

AMOUNTS: Final = ("cap", "spent", "reserved")
UNITS: Final = ("rho_nano", "delta_atto")


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


ENTRIES: Final = _table("entries", "seq", "at", "kind", "actor", "payload", "prev_hash", "hash")
ACCOUNTS: Final = _table("accounts", "id", "dataset", "kind", "parent", "owner")
METERS: Final = _table("meters", "account_id", "meter", "kind", "seq")
POSTINGS: Final = _table(
    "postings", "account_id", "meter", "seq", *(f"{amount}_{unit}" for amount in AMOUNTS for unit in UNITS)
)
_IDENTITY: Final = ("principal", "dataset", "account_id", *UNITS)
REQUESTS: Final = _table("requests", "query_id", "seq", *_IDENTITY, "key_digest", "attempt", "request_digest")
CHARGES: Final = _table("charges", "query_id", "account_id", "meter", *UNITS)
TRANSITIONS: Final = _table("transitions", "query_id", "step", "state", "seq")
OUTCOMES: Final = _table("outcomes", "query_id", "status", "body", "media_type")
RELEASE_COLUMNS: Final = tuple(field.name for field in fields(StoredRelease))
RELEASES: Final = _table("releases", *RELEASE_COLUMNS, "position", "seq")
LEASES: Final = _table("leases", "query_id", "until")
FREEZES: Final = _table("freezes", "scope", "seq", "frozen")
PROPOSALS: Final = _table("proposals", "id", "seq", "dataset", "change")
DECISIONS: Final = _table("decisions", "proposal_id", "seq", "decision")
TABLES: Final = (
    *(ENTRIES, ACCOUNTS, METERS, POSTINGS, REQUESTS, CHARGES, TRANSITIONS, OUTCOMES, RELEASES, LEASES),
    *(FREEZES, PROPOSALS, DECISIONS),
)


def columns_of(value: Any) -> dict[str, Any]:  # noqa: ANN401  # any of the frozen, slotted dataclasses
    """Returns a value as a row: its fields by name, not copied; `asdict` takes ten times as long."""
    return {name: getattr(value, name) for name in value.__slots__}


_state = sa.select(TRANSITIONS.c.state).where(TRANSITIONS.c.query_id == REQUESTS.c.query_id)
_latest_state = _state.order_by(TRANSITIONS.c.step.desc()).limit(1).scalar_subquery()
REQUESTS_WITH_STATE: Final = sa.select(REQUESTS, _latest_state.label("state"))


def _latest(posting: sa.FromClause, meter: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """The condition that this is the last posting of a meter of the account.

    What it is compared with are expressions and not columns: SQLite would take one for the other, begin with the
    postings, and go through all that the account ever had.
    """
    other = POSTINGS.alias()
    last = sa.select(sa.func.max(other.c.seq)).where(other.c.account_id == METERS.c.account_id, other.c.meter == meter)
    own = sa.and_(
        posting.c.account_id == METERS.c.account_id.concat(_NOTHING), posting.c.meter == meter.concat(_NOTHING)
    )
    return sa.and_(own, posting.c.seq == last.scalar_subquery())


_NOTHING: Final[sa.ColumnElement[str]] = sa.literal_column("''")
_used, _limit = POSTINGS.alias("used"), POSTINGS.alias("limiting")
# A meter's cap is that of the meter that is called like its kind, whose last posting says what is in force.
BALANCES: Final = (
    sa.select(
        ACCOUNTS,
        METERS.c.meter,
        *(_limit.c[f"cap_{unit}"] for unit in UNITS),
        *(_used.c[f"{amount}_{unit}"] for amount in AMOUNTS[1:] for unit in UNITS),
    )
    .select_from(METERS)
    .join(ACCOUNTS, ACCOUNTS.c.id == METERS.c.account_id)
    .join(_used, _latest(_used, METERS.c.meter))
    .join(_limit, _latest(_limit, METERS.c.kind))
)
