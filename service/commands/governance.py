"""`kvitto approvals`, `freeze` and `unfreeze`: what needs four eyes, and what one pair stops; over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer

from service.client import Client
from service.commands.ask import LOCAL, AsJson, Key, Url, call
from service.commands.screen import fail, out, print_table

approvals_app = typer.Typer(help="Show proposals and decide on them.", no_args_is_help=True)
ProposalId = Annotated[str, typer.Argument(help="The proposal's id, as `approvals list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]
OneDataset = Annotated[str | None, typer.Argument(help="The dataset.")]
Everything = Annotated[bool, typer.Option("--all", help="All datasets.")]
_WIDTH = 16


@approvals_app.command("list")
def list_proposals(
    *,
    key: Key,
    state: Annotated[
        Literal["waiting", "made", "declined", "withdrawn"] | None, typer.Option(help="Only those in this state.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only those of this dataset.")] = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Proposals, newest first: one's own, for officers and auditors all."""
    found = call(url, key, lambda client: client.approvals(state=state, dataset=dataset))
    if as_json:
        out.print_json(json.dumps(found))
        return
    rows = [{**each, "at": each["at"][:_WIDTH], "change": each["words"], "by": each["proposer"]} for each in found]
    print_table(["id", "at", "state", "by", "change", "reason"], rows)


@approvals_app.command("show")
def show(proposal: ProposalId, *, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """One proposal: the change, who wants it and why, and what was decided."""
    _run(url, key, lambda client: client.approval(proposal), as_json)


@approvals_app.command("approve")
def approve(proposal: ProposalId, *, reason: Reason, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Approve, as an officer; the second approval makes the change."""
    _run(url, key, lambda client: client.approve(proposal, reason=reason), as_json)


@approvals_app.command("decline")
def decline(proposal: ProposalId, *, reason: Reason, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Decline, as an officer: the proposal is over then."""
    _run(url, key, lambda client: client.decline(proposal, reason=reason), as_json)


@approvals_app.command("withdraw")
def withdraw(proposal: ProposalId, *, reason: Reason, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """Withdraw a proposal of one's own."""
    _run(url, key, lambda client: client.withdraw(proposal, reason=reason), as_json)


def freeze_command(
    dataset: OneDataset = None,
    *,
    reason: Reason,
    key: Key,
    everything: Everything = False,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Stop a dataset, or everything, at once, as an officer."""
    scope = _scope(dataset, everything)
    found = call(url, key, lambda client: client.freeze(scope, reason=reason))
    if as_json:
        out.print_json(json.dumps(found))
        return
    frozen = (["everything"] if found["everything"] else []) + found["datasets"]
    out.print(f"frozen until two officers start it again: {', '.join(frozen)}")


def unfreeze_command(
    dataset: OneDataset = None,
    *,
    reason: Reason,
    key: Key,
    everything: Everything = False,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Propose to start a dataset, or everything, again: another officer has to approve of it."""
    scope = _scope(dataset, everything)
    _run(url, key, lambda client: client.unfreeze(scope, reason=reason), as_json)


def print_proposal(found: dict[str, Any]) -> None:
    """A proposal as a table, with what comes next."""
    fields = ("id", "state", "proposer", "at", "reason", "words")
    rows = [{"": name, "proposal": found[name]} for name in fields]
    rows += [{"": each["decision"], "proposal": f"{each['by']}: {each['reason']}"} for each in found["decisions"]]
    print_table(["", "proposal"], rows)
    needed = found["approvals_needed"]
    if needed:
        others = "another officer approves" if needed == 1 else f"{needed} officers approve"
        out.print(f"It waits until {others}: kvitto approvals approve {found['id']} --reason …")


def _scope(dataset: str | None, everything: object) -> str | None:
    if bool(everything) == (dataset is not None):
        fail("name the dataset, or give --all")
    return dataset


def _run(url: str, key: str, ask: Callable[[Client], dict[str, Any]], as_json: object) -> None:
    found = call(url, key, ask)
    if as_json:
        out.print_json(json.dumps(found))
    else:
        print_proposal(found)
