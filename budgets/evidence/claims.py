"""What receipts claim, held against the entries and tables of a ledger that was loaded from an export."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from budgets.evidence.errors import ForgedError
from budgets.evidence.receipts import RECEIPT_TYPE, receipt_of
from budgets.evidence.sealed import unseal
from budgets.evidence.trust import Trust
from budgets.meters import LIFETIME, WINDOWS, kind_of

Loss = tuple[int, int]  # rho in units of 10**-9, delta of 10**-18
NOTHING: Final[Loss] = (0, 0)

_ANSWERED: Final = 201
_ANSWERS: Final = """
    SELECT outcomes.query_id, outcomes.status, outcomes.body, entries.seq, entries.kind, entries.payload
    FROM outcomes JOIN requests ON requests.query_id = outcomes.query_id JOIN entries ON entries.seq = requests.seq
    ORDER BY outcomes.query_id
"""
_CHARGED: Final = """
    SELECT entries.seq, entries.hash FROM transitions JOIN entries ON entries.seq = transitions.seq
    WHERE transitions.query_id = ? AND transitions.state = 'begun'
"""
_RELEASED: Final = 'SELECT snapshot, dataset, rho_nano, "table" FROM releases WHERE query_id = ? AND digest = ?'


class Claims:
    """The receipts of all answers, in the order of their queries' ids."""

    def __init__(self, loaded: sqlite3.Connection, trust: Trust) -> None:
        self._loaded = loaded
        self._trust = trust
        self.signed = 0
        self.unsigned = 0
        self.lines = hashlib.sha256()  # of all sealed receipts, one a line

    def problems(self) -> Iterator[str]:
        """What does not hold, each with its query; counts receipts, and answers that have no signed one."""
        first_signed, unsigned = None, []
        for query_id, status, body, seq, kind, payload in self._loaded.execute(_ANSWERS):
            if status != _ANSWERED:
                continue
            try:
                found = receipt_of(body)
                if found is None:
                    unsigned.append((seq, query_id))
                    continue
                first_signed = seq if first_signed is None else min(seq, first_signed)
                self.signed += 1
                self.lines.update(f"{found.sealed}\n".encode())
                for problem in self._contradictions(found.sealed, query_id, kind, json.loads(payload)):
                    yield f"Receipt of {query_id}: {problem}"
            except ForgedError as error:
                yield f"Receipt of {query_id}: {error}"
            except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                yield f"Receipt of {query_id}: It cannot be understood ({type(error).__name__})."
        self.unsigned = len(unsigned)
        for seq, query_id in unsigned:
            if first_signed is not None and seq > first_signed:
                yield f"Receipt of {query_id}: It is not signed, though receipts were signed by then."

    def _contradictions(self, text: str, query_id: str, kind: str, taken_up: Mapping[str, Any]) -> Iterator[str]:
        sealed = unseal(text, "receipt", RECEIPT_TYPE)
        receipt, described = sealed.content, taken_up["description"]
        place = receipt["ledger"]
        self._trust.require(sealed, place["seq"])
        said = {name: receipt.get(name) for name in ("query_id", "account", "dataset", "snapshot", "sql", "purpose")}
        meant = {"query_id": query_id, "account": taken_up["account_id"]} | {
            name: described.get(name) for name in ("dataset", "snapshot", "sql", "purpose")
        }
        yield from (f"Its {name} is not that of the entry." for name in said if said[name] != meant[name])
        if " ".join(release["digest"] for release in receipt["releases"]) != described["plans"]:
            yield "Its plans are not those of the entry."
        yield from _mischarged(receipt, _taken(taken_up))
        yield from self._misplaced(place, query_id, kind)
        yield from self._released(receipt, query_id, taken_up["rho_nano"])

    def _misplaced(self, place: Mapping[str, Any], query_id: str, kind: str) -> Iterator[str]:
        if kind == "reused":
            query = "SELECT 1 FROM entries WHERE seq = ? AND hash = ?"
            found = self._loaded.execute(query, (place["seq"], place["hash"])).fetchone()
            if place["entry"] != "head" or found is None:  # of no later entry the hash could have been known
                yield "The entry before it is not the one that it names."
        elif place["entry"] != "begun" or (place["seq"], place["hash"]) != self._charged_at(query_id):
            yield "Its place in the ledger is not the entry that charged it."

    def _released(self, receipt: Mapping[str, Any], query_id: str, price_nano: int) -> Iterator[str]:
        bought: dict[str, int] = {}
        for release in receipt["releases"]:
            digest, origin = release["digest"], release["released_by"]
            row = self._loaded.execute(_RELEASED, (origin["query_id"], digest)).fetchone()
            if row is None:
                yield f"The release {digest[:16]} is not stored."
                continue
            snapshot, dataset, rho_nano, table = row
            if hashlib.sha256(table).hexdigest() != release["table_sha256"]:
                yield f"The table of the release {digest[:16]} is another one."
            if (snapshot, dataset) != (receipt["snapshot"], receipt["dataset"]):
                yield f"The release {digest[:16]} is of other data."
            if _units(origin["rho"], 9) != rho_nano:
                yield f"The rho of the release {digest[:16]} is another one."
            if (origin["seq"], origin["hash"]) != self._charged_at(origin["query_id"]):
                yield f"The release {digest[:16]} was charged by another entry."
            if release["stored"] is (origin["query_id"] == query_id):
                yield f"The release {digest[:16]} is said to be {'stored' if release['stored'] else 'new'}, and is not."
            if origin["query_id"] == query_id:
                bought[digest] = rho_nano
        if sum(bought.values()) != price_nano:
            yield "What it bought does not add up to what was charged."

    def _charged_at(self, query_id: str) -> tuple[int, str] | None:
        found: tuple[int, str] | None = self._loaded.execute(_CHARGED, (query_id,)).fetchone()
        return found


def _taken(taken_up: Mapping[str, Any]) -> dict[str, Loss]:
    """What the entry takes of each meter of the account that pays; the oldest entries know of the lifetime only."""
    own = [charge for charge in taken_up.get("charges", ()) if charge["account_id"] == taken_up["account_id"]]
    return {charge["meter"]: _loss_of(charge) for charge in own} or {LIFETIME: _loss_of(taken_up)}


def _loss_of(facts: Mapping[str, Any]) -> Loss:
    return facts["rho_nano"], facts["delta_atto"]


def _mischarged(receipt: Mapping[str, Any], taken: Mapping[str, Loss]) -> Iterator[str]:
    """What the receipt says otherwise of its charge and of its meters, but for windows, of which it says nothing."""
    rho, delta = _told(receipt["charged"])
    if rho != taken[LIFETIME][0]:
        yield "Its rho is not what was charged."
    if delta != taken[LIFETIME][1]:
        yield "Its delta is not what was charged."
    told = {meter: _told(loss) for meter, loss in receipt.get("charges", {LIFETIME: receipt["charged"]}).items()}
    held = {meter: loss for meter, loss in taken.items() if kind_of(meter) not in WINDOWS}
    if any(told.get(meter, NOTHING) != held.get(meter, NOTHING) for meter in told.keys() | held.keys()):
        yield "Its charges are not those of the entry."


def _told(loss: Mapping[str, str]) -> tuple[Decimal, Decimal]:
    return _units(loss["rho"], 9), _units(loss["delta"], 18)


def _units(text: str, decimals: int) -> Decimal:
    """A decimal as a number of units of 10**-decimals."""
    return Decimal(text).scaleb(decimals)
