"""The check of a whole ledger, made from its raw entries alone.

It repeats the ledger's rules in its own words and shares no rule with the code that writes, so that one mistake does
not hide another. It reads SQL tables and nothing else: a copy of the file on another machine is enough.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from budgets.anchor import Anchor
from budgets.database import failing_closed
from budgets.sql_ledger import SqlLedger

PROBLEMS_SHOWN: Final = 100

_NEXT_STATES: Final = {"reserved": ("begun", "voided"), "begun": ("settled", "failed")}
_STEPS: Final = {"reserved": 0, "reused": 0, "begun": 1, "voided": 1, "settled": 2, "failed": 2}
_UNITS: Final = ("rho_nano", "delta_atto")
_AMOUNTS: Final = ("cap", "spent", "reserved")


@dataclass(frozen=True, slots=True)
class Report:
    """What was found: the end of the chain, how much was checked, and every contradiction (the first 100 of them)."""

    entries: int
    accounts: int
    queries: int
    head_seq: int
    head_hash: str
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(ledger: SqlLedger | Path, *, anchor: Path | None = None) -> Report:
    """Returns what an audit of every entry, posting, state, stored answer and release finds.

    Takes an open ledger, or the path of an SQLite file; beside it belongs its `-wal` file, if it has one. With `anchor`
    the ledger must hold the anchored entry too. Raises LedgerUnavailableError if the database cannot be read at all,
    and LedgerCorruptError if the anchor cannot.
    """
    with failing_closed():
        anchored = None if anchor is None else Anchor(anchor).read()
        with _view(ledger) as connection:
            check = _Check(connection)
            check.chain(None if anchored is None else (anchored.seq, anchored.hash))
            check.tables()
    return Report(
        check.seq,
        len(check.accounts),
        len(check.queries),
        check.seq,
        check.hash,
        tuple(check.problems[:PROBLEMS_SHOWN]),
    )


@contextmanager
def _view(ledger: SqlLedger | Path) -> Iterator[Connection]:
    if isinstance(ledger, SqlLedger):
        with ledger.reading() as connection:
            yield connection
        return
    # Without a -wal file nothing can change the copy, and SQLite need not write beside it.
    frozen = "" if ledger.with_name(ledger.name + "-wal").exists() else "&immutable=1"
    address = f"{ledger.absolute().as_uri()}?mode=ro{frozen}"
    engine = sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        yield connection


@dataclass(slots=True)
class _Account:
    parent: str | None
    dataset: str
    row: dict[str, Any]
    amounts: dict[str, int]


@dataclass(slots=True)
class _Query:
    account_id: str
    loss: dict[str, int]
    state: str
    key_digest: str
    transitions: list[tuple[int, str, int]]
    request: dict[str, Any]
    lease_until: str | None
    outcome: dict[str, Any] | None = None
    releases: list[dict[str, Any]] = field(default_factory=list)


class _Check:
    """One pass over the entries that rebuilds all that the other tables should hold."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.problems: list[str] = []
        self.seq, self.hash, self.at = 0, "0" * 64, ""
        self.accounts: dict[str, _Account] = {}
        self.queries: dict[str, _Query] = {}
        self.keys: dict[str, list[str]] = {}  # key digest -> query ids, oldest first

    def chain(self, anchored: tuple[int, str] | None) -> None:
        """Checks every entry against the one before, the rules, and its postings."""
        anchor_found = anchored is None or anchored[0] == 0
        postings = self._postings()
        next_posting = next(postings, None)
        for row in self._rows("SELECT seq, at, kind, actor, payload, prev_hash, hash FROM entries ORDER BY seq"):
            posted = []
            while next_posting is not None and next_posting[0] <= row["seq"]:
                if next_posting[0] < row["seq"]:
                    self._found(next_posting[0], "has postings, but does not exist")
                posted.append(next_posting[1])
                next_posting = next(postings, None)
            anchor_found = anchor_found or anchored == (row["seq"], row["hash"])
            payload = self._link(row)
            if payload is None:
                continue
            try:
                self._apply(row, payload)
                self._compare_postings(row["seq"], payload["postings"], posted)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                self._found(row["seq"], f"cannot be understood ({type(error).__name__})")
        if next_posting is not None:
            self._found(next_posting[0], "has postings, but does not exist")
        if not anchor_found and anchored is not None:
            self._found(anchored[0], "is anchored, but is missing or another: an old copy, or a cut tail")

    def tables(self) -> None:
        """Checks that what is looked up beside the entries is what the entries say, no more and no less."""
        self._compare("accounts", "SELECT * FROM accounts", [account.row for account in self.accounts.values()])
        self._compare("requests", "SELECT * FROM requests", [query.request for query in self.queries.values()])
        self._compare(
            "transitions",
            "SELECT * FROM transitions",
            [
                {"query_id": query_id, "step": step, "state": state, "seq": seq}
                for query_id, query in self.queries.items()
                for step, state, seq in query.transitions
            ],
        )
        self._compare(
            "leases",
            "SELECT * FROM leases",
            [
                {"query_id": query_id, "until": query.lease_until}
                for query_id, query in self.queries.items()
                if query.state in _NEXT_STATES
            ],
        )
        self._compare(
            "outcomes",
            "SELECT query_id, status, media_type, body FROM outcomes",
            [query.outcome for query in self.queries.values() if query.outcome is not None],
        )
        self._compare(
            "releases",
            "SELECT * FROM releases",
            [release for query in self.queries.values() for release in query.releases],
        )

    def _link(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the payload, if it can be read."""
        seq = row["seq"]
        if seq != self.seq + 1:
            self._found(seq, f"follows entry {self.seq}")
        if row["prev_hash"] != self.hash:
            self._found(seq, "does not carry the hash of the entry before")
        if row["at"] < self.at:
            self._found(seq, "is earlier than the entry before")
        self.seq, self.hash, self.at = seq, row["hash"], row["at"]
        try:
            payload = json.loads(row["payload"])
        except ValueError:
            self._found(seq, "has an unreadable payload")
            return None
        content = {name: row[name] for name in ("seq", "at", "kind", "actor")} | {"payload": payload}
        if hashlib.sha256((row["prev_hash"] + _canonical(content)).encode()).hexdigest() != row["hash"]:
            self._found(seq, "does not have the hash that it states")
        if not isinstance(payload, dict) or _canonical(payload) != row["payload"]:
            self._found(seq, "is not canonical JSON")
            return None
        return payload

    def _apply(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        """Moves the accounts and queries as the entry says, by the rules."""
        seq, kind = row["seq"], row["kind"]
        if kind == "account-opened":
            self._open(seq, payload)
        elif kind == "cap-set":
            (stated,) = payload["postings"]
            amounts = self.accounts[payload["account_id"]].amounts
            amounts |= {f"cap_{unit}": stated[f"cap_{unit}"] for unit in _UNITS}
            self._require_path(seq, payload, [payload["account_id"]])
        elif kind in ("reserved", "reused"):
            self._take_up(row, payload)
        elif kind in _STEPS:
            self._move(row, payload)
        else:
            self._found(seq, f"has the unknown kind {kind!r}")

    def _open(self, seq: int, payload: dict[str, Any]) -> None:
        account, (stated,) = payload["account"], payload["postings"]
        parent = account["parent"]
        if account["id"] in self.accounts:
            self._found(seq, "opens an account a second time")
        if parent is not None and self.accounts[parent].dataset != account["dataset"]:
            self._found(seq, "opens an account under another dataset's")
        amounts = {f"{amount}_{unit}": 0 for amount in _AMOUNTS for unit in _UNITS}
        amounts |= {f"cap_{unit}": stated[f"cap_{unit}"] for unit in _UNITS}
        self.accounts[account["id"]] = _Account(parent, account["dataset"], account, amounts)
        self._require_path(seq, payload, [account["id"]])

    def _take_up(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, kind, query_id, key_digest = row["seq"], row["kind"], payload["query_id"], payload["key_digest"]
        loss = {unit: payload[unit] for unit in _UNITS}
        if query_id in self.queries:
            self._found(seq, "takes up a query a second time")
            return
        earlier = self.keys.setdefault(key_digest, [])
        if any(self.queries[other].state != "voided" for other in earlier):
            self._found(seq, "uses an idempotency key that is in use")
        if payload["attempt"] != len(earlier) + 1:
            self._found(seq, "counts the attempts under its key wrongly")
        if row["actor"] != payload["principal"]:
            self._found(seq, "was written by another than its principal")
        earlier.append(query_id)
        if kind == "reused" and any(loss.values()):
            self._found(seq, "is a free repeat that costs something")
        if any(amount < 0 for amount in loss.values()):
            self._found(seq, "claims a negative loss")
        columns = ("query_id", "principal", "account_id", *_UNITS, "key_digest", "attempt", "request_digest")
        request = {name: payload[name] for name in columns}
        request |= {"seq": seq, "dataset": self.accounts[payload["account_id"]].dataset}
        query = _Query(
            payload["account_id"], loss, kind, key_digest, [(0, kind, seq)], request, payload.get("lease_until")
        )
        self.queries[query_id] = query
        if kind == "reused":
            self._store(query, query_id, payload, seq)
        else:
            for account_id in self._path(query.account_id):
                self._charge(seq, account_id, loss)
        self._require_path(seq, payload, self._path(query.account_id))

    def _charge(self, seq: int, account_id: str, loss: dict[str, int]) -> None:
        amounts = self.accounts[account_id].amounts
        for unit in _UNITS:
            amounts[f"reserved_{unit}"] += loss[unit]
            total = amounts[f"spent_{unit}"] + amounts[f"reserved_{unit}"]
            if total > amounts[f"cap_{unit}"]:
                self._found(seq, f"exceeds the cap of account {account_id!r}")

    def _move(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, kind, query_id = row["seq"], row["kind"], payload["query_id"]
        query = self.queries[query_id]
        if kind not in _NEXT_STATES.get(query.state, ()):
            self._found(seq, f"makes a query that is {query.state} {kind}")
        query.state = kind
        query.transitions.append((_STEPS[kind], kind, seq))
        path = self._path(query.account_id)
        for account_id in path:
            amounts = self.accounts[account_id].amounts
            for unit in _UNITS:
                if kind in ("begun", "voided"):
                    amounts[f"reserved_{unit}"] -= query.loss[unit]
                if kind == "begun":
                    amounts[f"spent_{unit}"] += query.loss[unit]
        if kind in ("settled", "failed"):
            self._store(query, query_id, payload, seq)
        self._require_path(seq, payload, path)

    def _store(self, query: _Query, query_id: str, payload: dict[str, Any], seq: int) -> None:
        query.outcome = {"query_id": query_id, **payload["outcome"]}
        for position, release in enumerate(payload.get("releases", [])):
            if release["query_id"] != query_id:
                self._found(seq, "stores the release of another query")
            query.releases.append({**release, "position": position, "seq": seq})

    def _path(self, account_id: str) -> list[str]:
        path = [account_id]
        while (parent := self.accounts[path[-1]].parent) is not None:
            path.append(parent)
        return path

    def _require_path(self, seq: int, payload: dict[str, Any], path: list[str]) -> None:
        """Checks that the entry states exactly the balances that follow from the entries before it, and itself."""
        expected = [{"account_id": account_id, **self.accounts[account_id].amounts} for account_id in path]
        if _by_account(payload["postings"]) != _by_account(expected):
            self._found(seq, "states balances that do not follow from the entries")

    def _compare_postings(self, seq: int, stated: list[dict[str, Any]], posted: list[dict[str, Any]]) -> None:
        if _by_account(stated) != _by_account(posted):
            self._found(seq, "has postings other than it states")

    def _postings(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in self._rows("SELECT * FROM postings ORDER BY seq"):
            yield row.pop("seq"), row

    def _compare(self, table: str, query: str, expected: list[dict[str, Any]]) -> None:
        """Checks the rows of a table, as a bag, against what the entries say; bytes by their SHA-256."""
        missing = Counter(_canonical(row) for row in expected)
        for row in self._rows(query):
            for name in [name for name, value in row.items() if isinstance(value, bytes)]:
                row[f"{name}_sha256"] = hashlib.sha256(row.pop(name)).hexdigest()
            text = _canonical(row)
            if missing[text] == 0:
                self.problems.append(f"Table {table} has a row that the entries do not explain: {_name(row)}.")
            else:
                missing[text] -= 1
        for text in missing.elements():
            self.problems.append(f"Table {table} lacks a row that the entries explain: {_name(json.loads(text))}.")

    def _rows(self, query: str) -> Iterator[dict[str, Any]]:
        for row in self.connection.execute(sa.text(query), execution_options={"yield_per": 1000}).mappings():
            yield dict(row)

    def _found(self, seq: int, problem: str) -> None:
        self.problems.append(f"Entry {seq} {problem}.")


def _by_account(postings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(postings, key=lambda posting: str(posting["account_id"]))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _name(row: dict[str, Any]) -> str:
    return str(row.get("query_id", row.get("id")))
