"""Receipts: the signed record of an answer, tied to its place in the ledger and to the tables that were released."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from budgets.errors import LedgerUnavailableError
from budgets.evidence.chain import ReadableLedger, charged_at
from budgets.evidence.receipts import with_receipt
from budgets.evidence.signing import KeyRing
from budgets.ledger import Head, StoredRelease, sha256_hex
from budgets.privacy_loss import PrivacyLoss
from queries.key_sources import key_sources
from queries.plan import WEIGHT_ONE, Aggregation, Derived, Scan, Source, Union
from queries.planned import PlannedNode
from queries.schema import Schema
from service.accounts import plain
from service.remembered import Remembered

_REMEMBERED_CHARGES = 4_096


class Receipts:
    """Says where in the ledger an answer stands, and signs its receipt."""

    def __init__(self, ledger: ReadableLedger, keys: KeyRing) -> None:
        self._ledger = ledger
        self._keys = keys
        self._charges = Remembered[str, Head](_REMEMBERED_CHARGES)

    def attach(self, answer: bytes, receipt: Mapping[str, object]) -> bytes:
        """The answer with its receipt and the signature behind it."""
        return with_receipt(answer, receipt, self._keys)

    def place(self, query_id: str, *, is_charged: bool) -> dict[str, object]:
        """The entry that charged the query; of a free repeat, whose entry comes with its answer, the newest before."""
        if is_charged:
            return {"entry": "begun", **_document(self._charged_at(query_id))}
        return {"entry": "head", **_document(self._ledger.head())}

    def origin(self, stored: StoredRelease | None, query_id: str, loss: PrivacyLoss) -> dict[str, object]:
        """Which query bought a release, at what price, and the entry that charged it."""
        buyer, rho_nano = (query_id, loss.rho_nano) if stored is None else (stored.query_id, stored.rho_nano)
        rho = plain(Fraction(rho_nano, 10**9))
        return {"query_id": buyer, "rho": rho, **_document(self._charged_at(buyer))}

    def _charged_at(self, query_id: str) -> Head:
        """The entry of a charge, which never changes."""
        return self._charges.get(query_id, lambda: self._read_charge(query_id))

    def _read_charge(self, query_id: str) -> Head:
        found = charged_at(self._ledger, query_id)
        if found is None:
            raise LedgerUnavailableError("The ledger lacks the entry of a charge.")
        return found


def released_document(
    node: PlannedNode, document: Mapping[str, object], schema: Schema, table: bytes, origin: Mapping[str, object]
) -> dict[str, object]:
    """A release as its receipt shows it: the plan in words, the noise, who bought it, and the table's SHA-256.

    A noise scale is the parameter of the discrete Gaussian, in units of the column's smallest unit over 65,536. Where
    bounds were chosen at the release it is the one that the choice started from; the errors of the measures tell which
    it became.
    """
    scales = [repr(scale) for scale in node.mechanism.scales()]
    return {
        **document,
        "reads": sorted(_tables(node.aggregation)),
        "key_sources": [source.source for source in key_sources(node, schema)],
        "noise": {"distribution": "discrete Gaussian", "scales": scales, "unit": f"smallest unit / {WEIGHT_ONE}"},
        "released_by": dict(origin),
        "table_sha256": sha256_hex(table),
    }


def _document(head: Head) -> dict[str, object]:
    return {"seq": head.seq, "hash": head.hash}


def _tables(aggregation: Aggregation) -> set[str]:
    found: set[str] = set()
    waiting: list[Source] = list(aggregation.source.sources)
    while waiting:
        match waiting.pop():
            case Scan(table=table):
                found.add(table)
            case Union(parts=parts):
                waiting += parts
            case Derived() as derived:
                waiting += derived.relation.sources
    return found
