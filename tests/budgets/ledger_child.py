"""A process that answers one query and is killed at a chosen moment: `ledger_child.py DIRECTORY STEP MOMENT`.

It prints the answer once `settle` has returned, as a service would send it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from budgets.anchor import Anchor
from tests.budgets.ledger_samples import claim_of, open_ledger, outcome_of, release_of

MOMENTS = ("before the commit", "before the anchor", "after the call")


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(directory: str, fatal_step: str, moment: str) -> None:
    ledger = open_ledger(Path(directory))
    claim = claim_of("killed", 300)
    steps: dict[str, Callable[[], object]] = {
        "reserve": lambda: ledger.reserve(claim),
        "begin": lambda: ledger.begin(claim.query_id),
        "settle": lambda: ledger.settle(claim.query_id, outcome_of("killed"), (release_of("killed"),)),
    }
    for name, step in steps.items():
        if name == fatal_step and moment == "before the commit":
            sa.event.listen(ledger._engine, "commit", die)
        if name == fatal_step and moment == "before the anchor":
            Anchor.advance = die  # type: ignore[assignment, method-assign]
        step()
        if name == "settle":
            sys.stdout.write(outcome_of("killed").body.decode())
            sys.stdout.flush()
        if name == fatal_step:
            die()


if __name__ == "__main__":
    main(*sys.argv[1:])
