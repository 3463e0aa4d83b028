"""The steps of a ledger inside one open write transaction: each checks its rules, adds its entry and posts balances.

Tables are insert-only but for `leases`, the work list of open reservations. Balances are read from the latest posting
of a meter; the state of a reservation is its latest transition, and (query_id, step) is unique: no step is taken twice.
Whoever opens the transaction (`commits.py`) is the only writer until it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

import sqlalchemy as sa
from sqlalchemy import Row

from budgets.errors import (
    BudgetExhaustedError,
    FrozenError,
    IdempotencyKeyReusedError,
    InvalidTransitionError,
    RequestInProgressError,
    UnknownAccountError,
)
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
    StoredRelease,
    canonical_json,
    entry_hash,
    require_outcome_of,
    require_transition,
    sha256_hex,
)
from budgets.meters import WINDOWS, kind_of, window_at
from budgets.privacy_loss import ZERO, PrivacyLoss
from budgets.statements import Connection
from budgets.tables import (
    ACCOUNTS,
    AMOUNTS,
    BALANCES,
    CHARGES,
    ENTRIES,
    FREEZES,
    LEASES,
    METERS,
    OUTCOMES,
    POSTINGS,
    RELEASES,
    REQUESTS,
    REQUESTS_WITH_STATE,
    TRANSITIONS,
    UNITS,
    columns_of,
)

EVERYTHING: Final = "*"  # the scope of a freeze of all datasets

# Statements of the hot path are built once: SQLAlchemy then finds their compiled form without walking them again.
_named = METERS.c.meter.in_(sa.bindparam("meters", expanding=True))
_METERS_OF: Final = BALANCES.where(METERS.c.account_id == sa.bindparam("account_id"), _named)
_charged = sa.and_(CHARGES.c.account_id == METERS.c.account_id, CHARGES.c.meter == METERS.c.meter)
_CHARGED: Final = (
    BALANCES.add_columns(*(CHARGES.c[unit] for unit in UNITS))
    .join(CHARGES, _charged)
    .where(CHARGES.c.query_id == sa.bindparam("query_id"))
)
_ACCOUNT: Final = sa.select(ACCOUNTS).where(ACCOUNTS.c.id == sa.bindparam("account_id"))
_REQUEST: Final = REQUESTS_WITH_STATE.where(REQUESTS.c.query_id == sa.bindparam("query_id"))
_OF_KEY: Final = REQUESTS_WITH_STATE.where(REQUESTS.c.key_digest == sa.bindparam("key_digest"))
_LATEST_OF_KEY: Final = _OF_KEY.order_by(REQUESTS.c.attempt.desc()).limit(1)
_HEAD: Final = sa.select(ENTRIES.c.seq, ENTRIES.c.hash, ENTRIES.c.at).order_by(ENTRIES.c.seq.desc()).limit(1)
_FREEZES: Final = (
    sa.select(FREEZES.c.scope, FREEZES.c.frozen)
    .where(FREEZES.c.scope.in_(sa.bindparam("scopes", expanding=True)))
    .order_by(FREEZES.c.seq)
)
_CLOSE_LEASE: Final = sa.delete(LEASES).where(LEASES.c.query_id == sa.bindparam("closed"))
_insert_into = cache(sa.insert)


@dataclass(frozen=True, slots=True)
class _Charge:
    """What a claim takes from a meter, with the balance before; `first` if nothing was ever taken from it."""

    before: Balance
    loss: PrivacyLoss
    first: bool

    @property
    def facts(self) -> dict[str, object]:
        return {"account_id": self.before.account.id, "meter": self.before.meter, **columns_of(self.loss)}


@dataclass(slots=True)
class Writer:
    """The open write transaction: the connection, the time of its entries and the end of the chain so far.

    `paths` are accounts with their ancestors that are known already: they never change.
    """

    connection: Connection
    at: str
    head: Head
    paths: dict[str, tuple[Account, ...]]

    @classmethod
    def start(cls, connection: Connection, now: str, paths: dict[str, tuple[Account, ...]]) -> Self:
        head, at = find_head(connection)
        return cls(connection, max(now, at), head, paths)

    def insert(self, table: sa.TableClause, /, *rows: Mapping[str, object]) -> None:
        if rows:
            self.connection.execute(_insert_into(table), rows if len(rows) > 1 else rows[0])

    def append(self, kind: str, actor: str, facts: Mapping[str, object], balances: Iterable[Balance] = ()) -> None:
        """Adds an entry that states the balances it leaves behind, and posts them."""
        postings = [
            {"account_id": balance.account.id, "meter": balance.meter}
            | {f"{amount}_{unit}": n for amount in AMOUNTS for unit, n in columns_of(getattr(balance, amount)).items()}
            for balance in balances
        ]
        payload = canonical_json({**facts, "postings": postings})
        seq, prev_hash = self.head.seq + 1, self.head.hash
        self.head = Head(seq, entry_hash(seq, self.at, kind, actor, payload, prev_hash))
        self.insert(ENTRIES, columns_of(Entry(seq, self.at, kind, actor, payload, prev_hash, self.head.hash)))
        self.insert(POSTINGS, *({"seq": seq, **posting} for posting in postings))

    def take_up(self, state: str, claim: Claim, facts: Mapping[str, object]) -> None:
        """Starts a query as `reserved` or `reused`, if its key is free and every meter on its path covers it."""
        earlier = earlier_request(self.connection, claim)
        if earlier is not None and earlier.state != "voided":
            raise RequestInProgressError("The same request was taken up before.")
        if find_request(self.connection, claim.query_id) is not None:
            raise InvalidTransitionError(f"The query id {claim.query_id!r} is taken.")
        path = self._path(claim.account_id)
        self._require_not_frozen(path[0].dataset)
        charges = [charge for account in path for charge in self._charges(account, claim)]
        request = {
            "query_id": claim.query_id,
            "principal": claim.principal,
            "account_id": claim.account_id,
            **columns_of(claim.loss),
            "key_digest": claim.key_digest,
            "attempt": 1 if earlier is None else earlier.attempt + 1,
            "request_digest": claim.request_digest,
        }
        told = {"description": dict(claim.description), "charges": [charge.facts for charge in charges]}
        balances = [charge.before.after(state, charge.loss) for charge in charges]
        self.append(state, claim.principal, {**request, **told, **facts}, balances)
        self.insert(REQUESTS, {**request, "dataset": path[0].dataset, "seq": self.head.seq})
        self.insert(CHARGES, *({"query_id": claim.query_id, **charge.facts} for charge in charges))
        self.add_meters([charge.before for charge in charges if charge.first])
        self._transition(claim.query_id, state)

    def move(self, state: str, query_id: str, facts: Mapping[str, object], actor: str | None = None) -> None:
        """Takes a reservation one step on. Raises InvalidTransitionError if it is not in the state before."""
        request = find_request(self.connection, query_id)
        if request is None:
            raise InvalidTransitionError(f"There is no reservation {query_id!r}.")
        require_transition(request.state, state)
        if state == "begun":
            self._require_not_frozen(request.dataset)
        rows = self.connection.execute(_CHARGED, {"query_id": query_id})
        balances = [to_balance(row).after(state, PrivacyLoss(row.rho_nano, row.delta_atto)) for row in rows]
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
        facts = {"outcome": outcome_facts(outcome), "releases": [_release_facts(release) for release in releases]}
        self.move(state, query_id, facts, actor)
        self.insert(OUTCOMES, columns_of(outcome))
        positions = enumerate(releases)
        self.insert(RELEASES, *({**columns_of(each), "position": n, "seq": self.head.seq} for n, each in positions))

    def meters(self, account_id: str, meters: Iterable[str]) -> dict[str, Balance]:
        """The balances of those of the meters that the account has."""
        rows = self.connection.execute(_METERS_OF, {"account_id": account_id, "meters": list(meters)})
        return {row.meter: to_balance(row) for row in rows}

    def _charges(self, account: Account, claim: Claim) -> Iterator[_Charge]:
        """What a claim takes from the account: from windows only where it has a limit for them.

        Raises BudgetExhaustedError where there is no limit for a meter: what nobody allowed is not there.
        """
        windows = {window_at(kind, self.at): kind for kind in WINDOWS}
        wanted = dict(claim.metered)
        present = self.meters(account.id, [*wanted, *map(kind_of, wanted), *windows, *WINDOWS])
        wanted |= {meter: claim.loss for meter, kind in windows.items() if kind in present}
        for meter, loss in wanted.items():
            limit = present.get(kind_of(meter))
            if limit is None:
                raise BudgetExhaustedError(account.id, meter)
            before = present.get(meter)
            yield _Charge(before or Balance(account, limit.cap, ZERO, ZERO, meter), loss, before is None)

    def add_meters(self, balances: Sequence[Balance]) -> None:
        """Notes meters that were opened, or taken from for the first time, by the last entry."""
        rows = [(balance.account.id, balance.meter, kind_of(balance.meter), self.head.seq) for balance in balances]
        self.insert(METERS, *(dict(zip(("account_id", "meter", "kind", "seq"), row, strict=True)) for row in rows))

    def _path(self, account_id: str) -> tuple[Account, ...]:
        if account_id not in self.paths:
            self.paths[account_id] = path_of(self.connection, account_id)
        return self.paths[account_id]

    def _require_not_frozen(self, dataset: str) -> None:
        rows = self.connection.execute(_FREEZES, {"scopes": [dataset, EVERYTHING]})
        if any({row.scope: row.frozen for row in rows}.values()):
            raise FrozenError(dataset)

    def _transition(self, query_id: str, state: str) -> None:
        step = {"query_id": query_id, "step": STATES[state][1], "state": state, "seq": self.head.seq}
        self.insert(TRANSITIONS, step)


def outcome_facts(outcome: Outcome) -> dict[str, object]:
    return {"status": outcome.status, "media_type": outcome.media_type, "body_sha256": sha256_hex(outcome.body)}


def _release_facts(release: StoredRelease) -> dict[str, object]:
    facts = columns_of(release)
    return {"table_sha256": sha256_hex(facts.pop("table")), **facts}


def to_balance(row: Row[Any]) -> Balance:
    account = Account(row.id, row.dataset, row.kind, row.parent, row.owner)
    cap = PrivacyLoss(row.cap_rho_nano, row.cap_delta_atto)
    spent = PrivacyLoss(row.spent_rho_nano, row.spent_delta_atto)
    reserved = PrivacyLoss(row.reserved_rho_nano, row.reserved_delta_atto)
    return Balance(account, cap, spent, reserved, row.meter)


def find_account(connection: Connection, account_id: str) -> Account | None:
    row = connection.execute(_ACCOUNT, {"account_id": account_id}).one_or_none()
    return None if row is None else Account(*row)


def account_of(connection: Connection, account_id: str) -> Account:
    found = find_account(connection, account_id)
    if found is None:
        raise UnknownAccountError(account_id)
    return found


def path_of(connection: Connection, account_id: str) -> tuple[Account, ...]:
    """Returns the account and its ancestors; it ends, because a parent is older than its child and never changes."""
    path = [account_of(connection, account_id)]
    while (parent := path[-1].parent) is not None:
        path.append(account_of(connection, parent))
    return tuple(path)


def find_request(connection: Connection, query_id: str) -> Row[Any] | None:
    return connection.execute(_REQUEST, {"query_id": query_id}).one_or_none()


def earlier_request(connection: Connection, claim: Claim) -> Row[Any] | None:
    """Returns the latest request under the key. Raises IdempotencyKeyReusedError if it is another, and not voided."""
    earlier = connection.execute(_LATEST_OF_KEY, {"key_digest": claim.key_digest}).one_or_none()
    if earlier is not None and earlier.state != "voided" and earlier.request_digest != claim.request_digest:
        raise IdempotencyKeyReusedError("This idempotency key was used for another request.")
    return earlier


def find_head(connection: Connection) -> tuple[Head, str]:
    """Returns the end of the chain and the time of its last entry."""
    row = connection.execute(_HEAD).one_or_none()
    return (Head(0, GENESIS_HASH), "") if row is None else (Head(row.seq, row.hash), row.at)
