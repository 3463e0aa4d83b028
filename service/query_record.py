"""What the API tells of a query in the history."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from budgets.ledger import QueryRecord
from service.accounts import epsilon_text, plain
from service.catalogue import Catalogue

_PUBLIC_FACTS: Final = ("sql", "purpose", "snapshot")


def record_document(record: QueryRecord, catalogue: Catalogue) -> dict[str, object]:
    """The record as JSON; epsilon at the dataset's conversion delta, null where the dataset is not served any more."""
    dataset = record.description.get("dataset", record.account_id.partition("/")[0])
    snapshot = catalogue.snapshot(dataset)
    delta = snapshot.policy.budget.conversion_delta if snapshot is not None else None
    charged = record.state in {"begun", "settled", "failed"}
    return {
        "id": record.query_id,
        "dataset": dataset,
        "owner": record.principal,
        "account": record.account_id,
        "at": record.at,
        "state": record.state,
        "reused": record.reused,
        "charged": charged and not record.reused,
        "cost": {
            "epsilon": epsilon_text(record.loss, delta) if delta is not None else None,
            "delta": plain(Fraction(record.loss.delta_atto, 10**18)),
            "rho": plain(Fraction(record.loss.rho_nano, 10**9)),
        },
        **{name: record.description.get(name) for name in _PUBLIC_FACTS},
    }
