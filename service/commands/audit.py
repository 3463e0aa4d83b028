"""`kvitto audit`: check a ledger offline, on the file itself or on a copy."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from budgets import audit
from budgets.errors import BudgetError
from budgets.sql_ledger import SqlLedger
from service.commands.screen import err, fail, out, read_settings

audit_app = typer.Typer(help="Check the ledger.", no_args_is_help=True)


@audit_app.callback()
def audit_group() -> None:
    """Check the ledger."""


@audit_app.command("verify")
def verify(
    ledger: Annotated[
        Path | None, typer.Argument(help="An SQLite ledger file; default: the ledger of the settings.")
    ] = None,
    *,
    anchor: Annotated[Path | None, typer.Option(help="The anchor file; default: that of the settings.")] = None,
) -> None:
    """Re-derive every hash, balance and state; exit code 1 when anything does not hold."""
    try:
        report = _verified(ledger, anchor)
    except BudgetError as error:
        fail(f"{type(error).__name__}: {error}")
    for problem in report.problems:
        err.print(problem)
    if not report.is_sound:
        fail("the ledger does not hold")
    out.print(f"the ledger holds: {report.entries} entries, head {report.head_seq} {report.head_hash}")


def _verified(ledger: Path | None, anchor: Path | None) -> audit.Report:
    if ledger is not None:
        return audit.verify(ledger, anchor=anchor)
    settings = read_settings()
    with closing(SqlLedger(settings.ledger_url)) as opened:
        return audit.verify(opened, anchor=anchor or (settings.anchor_file if settings.anchor_file.exists() else None))
