"""The check of a whole ledger, made from its raw entries alone.

It repeats the ledger's rules in its own words and shares no rule with the code that writes, so that one mistake does
not hide another. It reads SQL tables and nothing else: a copy of the file on another machine is enough.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
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
_WINDOWS: Final = {"day": "%Y-%m-%d", "week": "%G-W%V", "month": "%Y-%m", "year": "%Y"}
_ENDED: Final = ("declined", "withdrawn", "made")


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
            check.file()
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
    """An account with its limit for each kind of meters, and what each meter has: spent and reserved, by unit."""

    parent: str | None
    dataset: str
    row: dict[str, Any]
    caps: dict[str, dict[str, int]]
    meters: dict[str, dict[str, int]] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)  # the entry that began each meter


@dataclass(slots=True)
class _Query:
    account_id: str
    charges: list[dict[str, Any]]
    state: str
    key_digest: str
    transitions: list[tuple[int, str, int]]
    request: dict[str, Any]
    lease_until: str | None
    outcome: dict[str, Any] | None = None
    releases: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Proposal:
    row: dict[str, Any]
    proposer: str
    decisions: list[tuple[int, str, str]] = field(default_factory=list)  # entry, decision, by whom

    @property
    def is_approved(self) -> bool:
        ended = any(decision in _ENDED for _, decision, _ in self.decisions)
        return not ended and len({who for _, decision, who in self.decisions if decision == "approved"}) >= 2  # noqa: PLR2004


class _Check:
    """One pass over the entries that rebuilds all that the other tables should hold."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.problems: list[str] = []
        self.seq, self.hash, self.at = 0, "0" * 64, ""
        self.accounts: dict[str, _Account] = {}
        self.queries: dict[str, _Query] = {}
        self.keys: dict[str, list[str]] = {}  # key digest -> query ids, oldest first
        self.proposals: dict[str, _Proposal] = {}
        self.freezes: list[dict[str, Any]] = []
        self.metered = False  # whether an entry named meters: ledgers before that knew of lifetimes alone

    def file(self) -> None:
        """Checks that the indexes of an SQLite file hold what its tables hold: they decide which keys are free."""
        if self.connection.dialect.name == "sqlite":
            found = [row["integrity_check"] for row in self._rows(f"PRAGMA integrity_check({PROBLEMS_SHOWN})")]
            self.problems += [f"The file contradicts itself: {each}." for each in found if each != "ok"]

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
        queries, accounts = self.queries.items(), self.accounts.items()
        expected: dict[str, list[dict[str, Any]]] = {
            "accounts": [account.row for _, account in accounts],
            "meters": [
                {"account_id": account_id, "meter": meter, "kind": _kind(meter), "seq": seq}
                for account_id, account in accounts
                for meter, seq in account.opened.items()
            ],
            "requests": [query.request for _, query in queries],
            "charges": [{"query_id": query_id, **charge} for query_id, query in queries for charge in query.charges],
            "transitions": [
                {"query_id": query_id, "step": step, "state": state, "seq": seq}
                for query_id, query in queries
                for step, state, seq in query.transitions
            ],
            "leases": [
                {"query_id": query_id, "until": query.lease_until}
                for query_id, query in queries
                if query.state in _NEXT_STATES
            ],
            "outcomes": [query.outcome for _, query in queries if query.outcome is not None],
            "releases": [release for _, query in queries for release in query.releases],
            "freezes": self.freezes,
            "proposals": [proposal.row for proposal in self.proposals.values()],
            "decisions": [
                {"proposal_id": proposal_id, "seq": seq, "decision": decision}
                for proposal_id, proposal in self.proposals.items()
                for seq, decision, _ in proposal.decisions
            ],
        }
        for table, rows in expected.items():
            self._compare(table, rows)

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
        """Moves the accounts, queries and proposals as the entry says, by the rules."""
        seq, kind = row["seq"], row["kind"]
        apply: dict[str, Callable[[dict[str, Any], dict[str, Any]], None]] = {
            "account-opened": self._open,
            "cap-set": self._set_cap,
            "reserved": self._take_up,
            "reused": self._take_up,
            "proposed": self._propose,
            "decided": self._decide,
            "permitted": self._permit,
            "frozen": self._freeze,
            "unfrozen": self._unfreeze,
            **dict.fromkeys(("begun", "voided", "settled", "failed"), self._move),
        }
        named = any("meter" in posting for posting in payload["postings"])
        if self.metered and payload["postings"] and not named:
            self._found(seq, "names no meters, as only entries before the first that does may")
        self.metered |= named
        if kind in apply:
            apply[kind](row, payload)
        else:
            self._found(seq, f"has the unknown kind {kind!r}")

    def _open(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, account = row["seq"], payload["account"]
        parent = account["parent"]
        if account["id"] in self.accounts:
            self._found(seq, "opens an account a second time")
        if parent is not None and self.accounts[parent].dataset != account["dataset"]:
            self._found(seq, "opens an account under another dataset's")
        caps = {posting.get("meter", "lifetime"): _cap(posting) for posting in payload["postings"]}
        if "lifetime" not in caps or any(_kind(kind) != kind for kind in caps):
            self._found(seq, "opens an account without a limit for its lifetime, or with one for a single window")
        self.accounts[account["id"]] = _Account(parent, account["dataset"], account, caps)
        self._require(seq, payload, [(account["id"], kind) for kind in caps])

    def _set_cap(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, account_id, kind = row["seq"], payload["account_id"], payload.get("meter", "lifetime")
        (stated,), caps = payload["postings"], self.accounts[payload["account_id"]].caps
        before, after = caps.get(kind), _cap(stated)
        change = {"kind": "cap", "account_id": account_id, "meter": kind, "cap": after}
        if before is None and kind not in _WINDOWS:
            self._found(seq, "limits a meter that the account has not")
        more = self.metered and before is not None and any(after[unit] > before[unit] for unit in _UNITS)
        if more or self._approves(payload.get("proposal_id"), change):
            self._require_approval(seq, payload.get("proposal_id"), change, row["actor"])
        caps[kind] = after
        self._require(seq, payload, [(account_id, kind)])

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
        dataset = self.accounts[payload["account_id"]].dataset
        charges = self._charges(row, payload, loss)
        if kind == "reused" and any(charge[unit] for charge in charges for unit in _UNITS):
            self._found(seq, "is a free repeat that costs something")
        if any(charge[unit] < 0 for charge in charges for unit in _UNITS):
            self._found(seq, "claims a negative loss")
        if self._is_frozen(dataset):
            self._found(seq, "asks something of a dataset that is frozen")
        columns = ("query_id", "principal", "account_id", *_UNITS, "key_digest", "attempt", "request_digest")
        request = {name: payload[name] for name in columns} | {"seq": seq, "dataset": dataset}
        query = _Query(
            payload["account_id"], charges, kind, key_digest, [(0, kind, seq)], request, payload.get("lease_until")
        )
        self.queries[query_id] = query
        if kind == "reused":
            self._store(query, query_id, payload, seq)
        else:
            for charge in charges:
                self._reserve(seq, charge)
        self._require(seq, payload, [(charge["account_id"], charge["meter"]) for charge in charges])

    def _charges(self, row: dict[str, Any], payload: dict[str, Any], loss: dict[str, int]) -> list[dict[str, Any]]:
        """What the query takes from each meter: as it states, if that is what it has to be."""
        seq, path = row["seq"], self._path(payload["account_id"])
        plain = [{"account_id": account_id, "meter": "lifetime", **loss} for account_id in path]
        if not self.metered:
            return plain
        stated: list[dict[str, Any]] = payload["charges"]
        first = {charge["meter"]: charge for charge in stated if charge["account_id"] == path[0]}
        common = {meter: charge for meter, charge in first.items() if _kind(meter) not in _WINDOWS}
        if any(common["lifetime"][unit] < loss[unit] for unit in _UNITS):
            self._found(seq, "takes less from a lifetime than it costs")
        expected = []
        for account_id in path:
            windows = {kind: form for kind, form in _WINDOWS.items() if kind in self.accounts[account_id].caps}
            at = datetime.fromisoformat(row["at"])
            expected += [{**charge, "account_id": account_id} for charge in common.values()]
            expected += [
                {"account_id": account_id, "meter": f"{kind}:{at.strftime(form)}", **loss}
                for kind, form in windows.items()
            ]
        if _sorted(stated) != _sorted(expected):
            self._found(seq, "does not take the same from every account on its path, and its loss from every window")
        return stated

    def _reserve(self, seq: int, charge: dict[str, Any]) -> None:
        account, meter = self.accounts[charge["account_id"]], charge["meter"]
        cap, amounts = account.caps.get(_kind(meter)), self._amounts(account, meter, seq)
        for unit in _UNITS:
            amounts[f"reserved_{unit}"] += charge[unit]
            total = amounts[f"spent_{unit}"] + amounts[f"reserved_{unit}"]
            if cap is None or total > cap[unit]:
                self._found(seq, f"exceeds the cap of account {charge['account_id']!r} ({meter})")

    def _move(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, kind, query_id = row["seq"], row["kind"], payload["query_id"]
        query = self.queries[query_id]
        if kind not in _NEXT_STATES.get(query.state, ()):
            self._found(seq, f"makes a query that is {query.state} {kind}")
        if kind == "begun" and self._is_frozen(query.request["dataset"]):
            self._found(seq, "begins a query of a dataset that is frozen")
        query.state = kind
        query.transitions.append((_STEPS[kind], kind, seq))
        for charge in query.charges:
            amounts = self._amounts(self.accounts[charge["account_id"]], charge["meter"], seq)
            for unit in _UNITS:
                if kind in ("begun", "voided"):
                    amounts[f"reserved_{unit}"] -= charge[unit]
                if kind == "begun":
                    amounts[f"spent_{unit}"] += charge[unit]
        if kind in ("settled", "failed"):
            self._store(query, query_id, payload, seq)
        self._require(seq, payload, [(charge["account_id"], charge["meter"]) for charge in query.charges])

    def _store(self, query: _Query, query_id: str, payload: dict[str, Any], seq: int) -> None:
        query.outcome = {"query_id": query_id, **payload["outcome"]}
        for position, release in enumerate(payload.get("releases", [])):
            if release["query_id"] != query_id:
                self._found(seq, "stores the release of another query")
            query.releases.append({**release, "position": position, "seq": seq})

    def _propose(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, proposal_id = row["seq"], payload["proposal_id"]
        if proposal_id in self.proposals:
            self._found(seq, "proposes a change a second time")
            return
        columns = {"id": proposal_id, "seq": seq, "dataset": payload["dataset"]}
        found = _Proposal({**columns, "change": _canonical(payload["change"])}, row["actor"])
        self.proposals[proposal_id] = found
        if payload["decisions"] not in ([], ["approved"]):
            self._found(seq, "proposes a change that is decided already")
        found.decisions += [(seq, decision, row["actor"]) for decision in payload["decisions"]]

    def _decide(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        seq, decision, who = row["seq"], payload["decision"], row["actor"]
        found = self.proposals[payload["proposal_id"]]
        known = {found.proposer, *(other for _, _, other in found.decisions)}
        if any(earlier in _ENDED for _, earlier, _ in found.decisions):
            self._found(seq, "decides on a proposal that had ended")
        if decision == "approved" and who in known:
            self._found(seq, "approves of what the same person proposed or approved")
        if decision == "withdrawn" and who != found.proposer:
            self._found(seq, "withdraws what somebody else proposed")
        if decision not in ("approved", "declined", "withdrawn"):
            self._found(seq, "is no decision")
        found.decisions.append((seq, decision, who))

    def _permit(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        self._require_approval(row["seq"], payload["proposal_id"], payload["change"], row["actor"])

    def _freeze(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        self.freezes.append({"scope": payload["scope"], "seq": row["seq"], "frozen": 1})

    def _unfreeze(self, row: dict[str, Any], payload: dict[str, Any]) -> None:
        change = {"kind": "unfreeze", "scope": payload["scope"]}
        self._require_approval(row["seq"], payload.get("proposal_id"), change, row["actor"])
        self.freezes.append({"scope": payload["scope"], "seq": row["seq"], "frozen": 0})

    def _require_approval(self, seq: int, proposal_id: str | None, change: dict[str, Any], actor: str) -> None:
        """Checks that two people approved of the change, and notes that it was made."""
        found = self.proposals.get(proposal_id or "")
        if not self._approves(proposal_id, change):
            self._found(seq, "allows more than before, but no two people approved of that")
        if found is not None:
            found.decisions.append((seq, "made", actor))

    def _approves(self, proposal_id: str | None, change: dict[str, Any]) -> bool:
        """Whether two people approved of exactly this change, which is not made yet."""
        found = self.proposals.get(proposal_id or "")
        return found is not None and found.row["change"] == _canonical(change) and found.is_approved

    def _is_frozen(self, dataset: str) -> bool:
        return any({each["scope"]: each["frozen"] for each in self.freezes if each["scope"] in (dataset, "*")}.values())

    def _path(self, account_id: str) -> list[str]:
        path = [account_id]
        while (parent := self.accounts[path[-1]].parent) is not None:
            path.append(parent)
        return path

    def _amounts(self, account: _Account, meter: str, seq: int) -> dict[str, int]:
        """What the meter has, which begins with nothing."""
        account.opened.setdefault(meter, seq)
        return account.meters.setdefault(
            meter, {f"{amount}_{unit}": 0 for amount in ("spent", "reserved") for unit in _UNITS}
        )

    def _require(self, seq: int, payload: dict[str, Any], meters: list[tuple[str, str]]) -> None:
        """Checks that the entry states exactly the balances that follow from the entries before it, and itself."""
        expected = []
        for account_id, meter in meters:
            account = self.accounts[account_id]
            cap = {f"cap_{unit}": amount for unit, amount in account.caps.get(_kind(meter), {}).items()}
            expected.append({"account_id": account_id, "meter": meter, **cap, **self._amounts(account, meter, seq)})
        if _sorted(_metered(payload["postings"])) != _sorted(expected):
            self._found(seq, "states balances that do not follow from the entries")

    def _compare_postings(self, seq: int, stated: list[dict[str, Any]], posted: list[dict[str, Any]]) -> None:
        if _sorted(_metered(stated)) != _sorted(posted):
            self._found(seq, "has postings other than it states")

    def _postings(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in self._rows("SELECT * FROM postings ORDER BY seq"):
            yield row.pop("seq"), row

    def _compare(self, table: str, expected: list[dict[str, Any]]) -> None:
        """Checks the rows of a table, as a bag, against what the entries say; bytes by their SHA-256."""
        missing = Counter(_canonical(row) for row in expected)
        for row in self._rows(f"SELECT * FROM {table}"):  # noqa: S608 - a name of ours
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


def _kind(meter: str) -> str:
    return meter.split(":", 1)[0]


def _cap(posting: dict[str, Any]) -> dict[str, int]:
    return {unit: posting[f"cap_{unit}"] for unit in _UNITS}


def _metered(postings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The postings with the meter that they had when entries did not name meters."""
    return [{"meter": "lifetime", **posting} for posting in postings]


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(map(_canonical, rows))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _name(row: dict[str, Any]) -> str:
    return str(
        next((row[name] for name in ("query_id", "proposal_id", "account_id", "id", "scope") if name in row), "")
    )
