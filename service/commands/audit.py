"""`kvitto audit`: the export of a ledger, and its check by anybody; ledgers and files are checked in place too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from budgets import audit
from budgets.errors import BudgetError
from budgets.evidence.chain import HEAD_TYPE
from budgets.evidence.errors import ForgedError
from budgets.evidence.export import export
from budgets.evidence.receipts import RECEIPT_TYPE, receipt_of
from budgets.evidence.sealed import PublicKey, unseal
from budgets.evidence.signing import KeyRing
from budgets.evidence.verification import Verification, verify_export
from budgets.ledger import UNLIMITED
from budgets.privacy_loss import PrivacyLoss
from budgets.sql_ledger import SqlLedger
from service.accounts import plain_units
from service.app import open_ledger
from service.commands.screen import err, fail, out, print_rows, read_settings

_ZIP: Final = b"PK"
audit_app = typer.Typer(help="Check the ledger, or an export of it.", no_args_is_help=True)


@audit_app.callback()
def audit_group() -> None:
    """Check the ledger, or an export of it."""


@audit_app.command("verify")
def verify(
    ledger: Annotated[
        Path | None,
        typer.Argument(
            help="An export, a receipt or an answer (.json), or an SQLite ledger; default: the settings' ledger."
        ),
    ] = None,
    *,
    public_key: Annotated[
        Path | None, typer.Option(help="Of an export: the public key that you trust, in a file (PEM, base64 or JSON).")
    ] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="Of an export: signed tree heads that were kept, one a line.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="Of a ledger: the anchor file; default: that of the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Re-derive every hash, balance, state and receipt; exit code 1 when anything does not hold.

    An export is checked with its file and the public key alone: without settings, data directory or network.
    """
    if ledger is not None and _is_export(ledger):
        _verify_export(ledger, public_key, anchors, as_json=as_json)
        return
    if ledger is not None and public_key is not None and ledger.suffix == ".json":
        _verify_document(ledger, public_key)
        return
    if public_key is not None or anchors is not None:
        fail("--public-key and --anchors belong to an export; this is none")
    try:
        report = _verified(ledger, anchor)
    except BudgetError as error:
        fail(f"{type(error).__name__}: {error}")
    if as_json:
        document = {name: getattr(report, name) for name in audit.Report.__dataclass_fields__}
        out.print(json.dumps({**document, "sound": report.is_sound}))
        raise typer.Exit(not report.is_sound)
    for problem in report.problems:
        err.print(problem)
    if not report.is_sound:
        fail("the ledger does not hold")
    out.print(f"the ledger holds: {report.entries} entries, head {report.head_seq} {report.head_hash}")


@audit_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="The file to write, such as export.zip.")],
) -> None:
    """Write the whole ledger of the settings to one file that anybody can check; the service may run meanwhile."""
    settings = read_settings()
    try:
        with closing(open_ledger(settings)) as opened:
            made = export(opened, KeyRing(settings.keys_dir))
        draft = file.with_name(f".{file.name}.new")
        with open(draft, "wb", opener=_private) as written:
            written.writelines(made.chunks())
        draft.replace(file)
    except (BudgetError, OSError) as error:
        fail(f"{type(error).__name__}: {error}")
    out.print(f"{file}: {made.size:,} bytes")


@audit_app.command("key")
def key_command() -> None:
    """Print the public key in PEM: publish it where nobody can replace it. Its id goes to standard error."""
    public = KeyRing(read_settings().keys_dir).public
    err.print(f"key {public.id}, in base64 {public.base64}")
    out.print(public.pem, end="")


@audit_app.command("rotate-key")
def rotate_key() -> None:
    """Make a new signing key, named by the old one, which is forgotten; a running service takes it up by itself."""
    settings = read_settings()
    try:
        with closing(open_ledger(settings)) as opened:
            public = KeyRing(settings.keys_dir).rotate(lambda: opened.head().seq)
    except BudgetError as error:
        fail(f"{type(error).__name__}: {error}")
    err.print(f"key {public.id} is in use")
    out.print(public.pem, end="")


def _verify_export(file: Path, public_key: Path | None, anchors: Path | None, *, as_json: bool) -> None:
    if public_key is None:
        fail("give the public key that you trust: --public-key FILE")
    try:
        found = verify_export(file, _trusted(public_key), anchors)
    except (BudgetError, OSError, UnicodeDecodeError) as error:
        fail(f"{type(error).__name__}: {error}")
    if as_json:
        out.print(json.dumps(_document(found)))
    else:
        _show(found)
    raise typer.Exit(not found.is_sound)


def _verify_document(file: Path, public_key: Path) -> None:
    """Checks one answer, receipt or tree head: that the key signed it as it is here."""
    try:
        key, text = _trusted(public_key), file.read_text(encoding="utf-8")
        name = "head" if text.startswith('{"head":') else "receipt" if text.startswith('{"receipt":') else "answer"
        sealed = text.strip() if name != "answer" else _receipt_in(text)
        unseal(sealed, *(("head", HEAD_TYPE) if name == "head" else ("receipt", RECEIPT_TYPE))).require(key)
    except (BudgetError, OSError, UnicodeDecodeError) as error:
        fail(f"{type(error).__name__}: {error}")
    out.print(f"the {name} holds: signed with key {key.id}")


def _receipt_in(answer: str) -> str:
    """The sealed receipt of an answer, which is about all of its bytes."""
    found = receipt_of(answer.strip().encode())
    if found is None:
        raise ForgedError("This is no signed answer.")
    return found.sealed


def _trusted(public_key: Path) -> PublicKey:
    return PublicKey.parse(public_key.read_text(encoding="utf-8"))


def _show(found: Verification) -> None:
    print_rows(
        ("checked", "how many", "problems"),
        [(check.name, f"{check.checked:,}", str(len(check.problems) or "none")) for check in found.checks],
    )
    for check in found.checks:
        for problem in check.problems:
            err.print(f"{check.name}: {problem}", style="red")
    if not found.is_sound:
        err.print("the export does not hold", style="red")
        return
    names = ("budget", "meter", "cap rho", "spent rho", "reserved rho", "spent delta")
    print_rows(names, [_balance(row) for row in found.balances])
    head = found.head
    out.print(f"the export holds: {head['tree_size']} entries, root {head['root_hash']}, signed {head['timestamp']}")


def _balance(row: Mapping[str, Any]) -> tuple[str, ...]:
    """A posting as cells of a table."""
    unlimited = PrivacyLoss(row["cap_rho_nano"], row["cap_delta_atto"]) == UNLIMITED
    cap = "no limit" if unlimited else plain_units(row["cap_rho_nano"], 9)
    amounts = (plain_units(row[f"{amount}_rho_nano"], 9) for amount in ("spent", "reserved"))
    return (
        str(row["account_id"]),
        str(row.get("meter", "lifetime")),
        cap,
        *amounts,
        plain_units(row["spent_delta_atto"], 18),
    )


def _document(found: Verification) -> dict[str, object]:
    checks = [{"name": check.name, "checked": check.checked, "problems": check.problems} for check in found.checks]
    return {"sound": found.is_sound, "checks": checks, "head": found.head, "balances": found.balances}


def _is_export(path: Path) -> bool:
    """Whether it looks like an archive, or has its name: what is damaged at its first byte is still meant as one."""
    try:
        with path.open("rb") as file:
            return file.read(2) == _ZIP or path.suffix == ".zip"
    except OSError as error:
        fail(f"{type(error).__name__}: {error}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _verified(ledger: Path | None, anchor: Path | None) -> audit.Report:
    if ledger is not None:
        return audit.verify(ledger, anchor=anchor)
    settings = read_settings()
    with closing(SqlLedger(settings.ledger_url)) as opened:
        return audit.verify(opened, anchor=anchor or (settings.anchor_file if settings.anchor_file.exists() else None))
