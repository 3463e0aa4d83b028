"""Kvitto without HTTP in a process of its own: `python -m benchmarks.kvitto_process DATA_DIR LEDGER_DIR`.

The service's own parts, as the app puts them together: planner, ledger on disk, worker processes, post-processing. One
JSON line each way. The ledger is fresh and its caps are far beyond the policy's, because the same is bought again and
again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from budgets.privacy_loss import PrivacyLoss
from queries.policy import Policy
from service.accounts import open_accounts, person_account_id
from service.answering import Answering, Person, QueryRequest
from service.app import open_ledger
from service.catalogue import VaultCatalogue
from service.settings import Settings

_ANALYST = Person("analyst", "analyst")
_BOUNDLESS = PrivacyLoss(2**61, 2**61)
_DEADLINE_SECONDS = 900.0


def main(data_dir: Path, ledger_dir: Path) -> None:
    """Answer `{"sql", "options", "epsilon"}` with the seconds that it took and the body, until the input ends."""
    settings = Settings(
        data_dir=data_dir,
        ledger_url=f"sqlite:///{ledger_dir / 'ledger.db'}",
        anchor_file=ledger_dir / "anchor.json",
        query_timeout_seconds=_DEADLINE_SECONDS,
    )
    ledger = open_ledger(settings)
    catalogue = VaultCatalogue(settings.vault_root)
    (dataset,) = catalogue.names()
    snapshot = catalogue.snapshot(dataset)
    assert snapshot is not None
    policy: Policy = snapshot.policy
    open_accounts(ledger, policy)
    for account in (dataset, person_account_id(dataset, _ANALYST.name)):
        ledger.set_cap(account, _BOUNDLESS, "benchmark", "the same is bought again and again")
    answering = Answering(ledger, catalogue, settings)
    try:
        for number, line in enumerate(sys.stdin):
            print(json.dumps(_timed(answering, dataset, json.loads(line), number)), flush=True)
    finally:
        answering.close()
        ledger.close()


def _timed(answering: Answering, dataset: str, asked: Mapping[str, Any], number: int) -> dict[str, object]:
    request = QueryRequest(
        dataset=dataset,
        sql=asked["sql"],
        params={},
        epsilon=Fraction(asked["epsilon"]),
        rho=None,
        max_epsilon=None,
        reuse="never",
        purpose=None,
        options=asked["options"],
    )
    started = time.perf_counter()
    outcome = answering.answer(_ANALYST, request, f"k{number}", f"{number:064x}").outcome
    seconds = time.perf_counter() - started
    assert outcome.status == 201, outcome.body.decode()  # noqa: PLR2004  # Created: an answer, charged
    return {"seconds": seconds, "body": json.loads(outcome.body)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
