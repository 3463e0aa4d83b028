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

from benchmarks.boundless import open_boundless
from queries.errors import PriceError, QueryNotPrivateError
from queries.policy import Policy
from service.accounts import open_accounts
from service.answering import Answering, Person, QueryRequest
from service.app import open_ledger
from service.catalogue import VaultCatalogue
from service.settings import Settings

_ANALYST = Person("analyst", "analyst")
_DEADLINE_SECONDS = 900.0


class _FailedError(Exception):
    """A release that was begun and did not end well."""

    code = "release-failed"


def main(data_dir: Path, ledger_dir: Path) -> None:
    """Answer `{"sql", "options", "epsilon"}` with the seconds that it took and the body, until the input ends.

    Where the request says `may_be_refused`, a refusal is a reply too: its code. Else it ends the process. So with a
    release that fails. What is logged goes to the standard error.
    """
    settings = Settings(
        data_dir=data_dir,
        ledger_url=f"sqlite:///{ledger_dir / 'ledger.db'}",
        anchor_file=ledger_dir / "anchor.json",
        query_timeout_seconds=_DEADLINE_SECONDS,
        failures_per_day=1_000_000,
    )
    ledger = open_ledger(settings)
    catalogue = VaultCatalogue(settings.vault_root)
    (dataset,) = catalogue.names()
    snapshot = catalogue.snapshot(dataset)
    assert snapshot is not None
    policy: Policy = snapshot.policy
    open_boundless(ledger, dataset, _ANALYST.name)
    open_accounts(ledger, policy)
    answering = Answering(ledger, catalogue, settings)
    replies, sys.stdout = sys.stdout, sys.stderr
    try:
        for number, line in enumerate(sys.stdin):
            asked = json.loads(line)
            try:
                reply = _timed(answering, dataset, asked, number)
            except (QueryNotPrivateError, PriceError, _FailedError) as error:
                if not asked.get("may_be_refused"):
                    raise
                reply = {"refused": error.code}
            print(json.dumps(reply), file=replies, flush=True)
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
    if outcome.status != 201:  # noqa: PLR2004  # Created: an answer, charged
        raise _FailedError(outcome.body.decode())
    return {"seconds": seconds, "body": json.loads(outcome.body)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
