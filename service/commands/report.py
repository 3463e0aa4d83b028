"""`kvitto report`: what is to be published, made from the ledger and the policies of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from budgets.errors import BudgetError
from budgets.evidence.chain import Chain
from budgets.evidence.signing import KeyRing
from budgets.sql_ledger import SqlLedger
from service.app import open_ledger
from service.catalogue import VaultCatalogue
from service.commands.screen import fail, out, read_settings
from service.reports.page import transparency_page
from service.reports.registry import registry_yaml
from service.reports.transparency import transparency
from service.settings import Settings

report_app = typer.Typer(help="Write reports to be published.", no_args_is_help=True)


@report_app.command("transparency")
def transparency_command(
    *, directory: Annotated[Path, typer.Option("--out", help="The directory to write to; it is made.")] = Path()
) -> None:
    """Write transparency.html, which needs no other file, and transparency.json."""
    with _opened() as (settings, ledger):
        key = KeyRing(settings.keys_dir).public.id
        report = transparency(settings, ledger, VaultCatalogue(settings.vault_root), Chain(ledger), key)
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "transparency.html": transparency_page(report),
        "transparency.json": report.model_dump_json(indent=2) + "\n",
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
        out.print(str(directory / name))


@report_app.command("registry")
def registry_command(
    dataset: Annotated[str | None, typer.Argument(help="The dataset; needed where there are several.")] = None,
) -> None:
    """Print the record of a dataset for the Privacy Deployments Registry, in YAML."""
    with _opened() as (settings, ledger):
        catalogue = VaultCatalogue(settings.vault_root)
        names = catalogue.names()
        if dataset is None and len(names) != 1:
            fail(f"name one dataset of {', '.join(names) or 'none'}")
        snapshot = catalogue.snapshot(names[0] if dataset is None else dataset)
        if snapshot is None:
            fail("there is no such dataset")
        tree, key = Chain(ledger).tree(), KeyRing(settings.keys_dir).public.id
        evidence = f"Ledger of {tree.size} entries, Merkle root {tree.root().hex()}, key {key}"
        text = registry_yaml(settings, ledger, snapshot, evidence)
    typer.echo(text, nl=False)


@contextmanager
def _opened() -> Iterator[tuple[Settings, SqlLedger]]:
    settings = read_settings()
    try:
        with closing(open_ledger(settings)) as ledger:
            yield settings, ledger
    except BudgetError as error:
        fail(f"{type(error).__name__}: {error}")
