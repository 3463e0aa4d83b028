"""`kvitto load`, `synth` and `policy`: bring data into the vault."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated, Never

import typer

from budgets.errors import BudgetError
from budgets.proposals import Proposal
from queries.errors import LoadError, PolicyError
from queries.policy import Policy, load_policy
from queries.policy_draft import draft_policy
from queries.vault import SecretKeys, Snapshot, load_snapshot
from service.accounts import open_accounts
from service.app import open_ledger
from service.commands.screen import err, fail, out, progress, read_settings
from service.policy_gate import may_serve, propose_policy
from service.synth import write_synthetic

policy_app = typer.Typer(help="Check and draft policies.", no_args_is_help=True)
PolicyFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The policy, YAML.")]
Sources = Annotated[
    list[str], typer.Argument(help="table=path of a CSV or Parquet file, or table=file.duckdb::table, one a table.")
]


def load_command(policy: PolicyFile, sources: Sources) -> None:
    """Load tables under a policy as a new snapshot; if it fails, the old snapshot serves on.

    It serves on, too, where the policy allows more than before: until two officers have approved of the change.
    """
    settings = read_settings()
    text = policy.read_text(encoding="utf-8")
    try:
        with closing(open_ledger(settings)) as ledger:
            with progress() as report:
                snapshot = load_snapshot(
                    settings.vault_root,
                    text,
                    _by_table(sources),
                    SecretKeys.open(settings.keys_dir),
                    origin=str(policy),
                    progress=report,
                    may_serve=lambda current, new: may_serve(ledger, current, new),
                )
            proposal = propose_policy(ledger, settings.vault_root, snapshot.dataset)
            if proposal is None:
                open_accounts(ledger, snapshot.policy)
    except PolicyError as error:
        _fail_with_problems(policy, error)
    except (LoadError, BudgetError) as error:
        fail(str(error))
    if proposal is None:
        out.print(f"dataset {snapshot.dataset}: snapshot {snapshot.id} is current")
    else:
        _tell_of_waiting(snapshot, proposal)


def synth_command(
    directory: Annotated[Path, typer.Argument(file_okay=False, help="Where to write Parquet files and their policy.")],
    *,
    lines: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Receipt lines.")] = 1_000_000,
    customers: Annotated[int | None, typer.Option(min=1, help="Customers; default: by the number of lines.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed writes the same data.")] = 1,
) -> None:
    """Write a synthetic retailer of any size: heavy-tailed customers, Zipf products, seasons, returns."""
    with progress() as report:
        written = write_synthetic(directory, lines, customers, seed, report)
    for name, path in written.items():
        out.print(f"{name}={path}")


@policy_app.command("check")
def check(policy: PolicyFile) -> None:
    """Name every mistake of a policy with its line; exit code 1 when there is one."""
    found = _checked(policy)
    out.print(f"{policy}: dataset {found.dataset}, {len(found.tables)} tables, no mistakes")


@policy_app.command("draft")
def draft(sources: Sources) -> None:
    """Draft a policy from the schema of files; bounds, ranges and domains stay blank: they are never read from data."""
    try:
        out.print(draft_policy(_by_table(sources)), end="")
    except LoadError as error:
        fail(str(error))


def _tell_of_waiting(snapshot: Snapshot, proposal: Proposal) -> None:
    out.print(
        f"dataset {snapshot.dataset}: snapshot {snapshot.id} waits until two officers approve of proposal "
        f"{proposal.id}; the old one serves on. Its policy allows more:"
    )
    for difference in proposal.change["differences"]:
        out.print(f"  {difference['effect']}: {difference['words']}")


def _checked(policy: Path) -> Policy:
    try:
        return load_policy(policy.read_text(encoding="utf-8"), str(policy))
    except PolicyError as error:
        _fail_with_problems(policy, error)


def _fail_with_problems(policy: Path, error: PolicyError) -> Never:
    for problem in error.problems:
        err.print(f"{policy}:{problem.line}: {problem.path}: {problem.message}")
    fail(f"the policy has {len(error.problems)} mistakes")


def _by_table(sources: list[str]) -> dict[str, str]:
    found = {name: path for name, _, path in (source.partition("=") for source in sources) if name and path}
    if len(found) != len(sources):
        fail("each source is table=path, each table once")
    return found
