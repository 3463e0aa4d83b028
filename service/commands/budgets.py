"""`kvitto budgets`: what may still be spent, and how that is changed; over HTTP, with the rights of the key."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import typer

from service.commands.ask import LOCAL, AsJson, Key, Url, call
from service.commands.governance import print_proposal
from service.commands.screen import out, print_table

budgets_app = typer.Typer(help="Show and change budgets.", no_args_is_help=True)
Account = Annotated[str, typer.Argument(help="The account, as journey/person/analyst.")]
Cap = Annotated[str, typer.Option(help="The new cap.")]
Delta = Annotated[str | None, typer.Option(help="The new cap of delta for thresholds; default: as it is.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]
Meter = Annotated[
    Literal["lifetime", "day", "week", "month", "year", "block", "static"],
    typer.Option(help="Of the whole life, of every window of time of a kind, or of blocks of data."),
]
_AMOUNTS = ("cap", "spent", "remaining")


@budgets_app.command("list")
def list_budgets(*, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """The budgets that the key may see, each with its windows."""
    found = call(url, key, lambda client: client.budget())
    if as_json:
        out.print_json(json.dumps(found))
        return
    print_table(["account", "meter", *_AMOUNTS, "at this pace"], [row for budget in found for row in _rows(budget)])


@budgets_app.command("show")
def show(account: Account, *, key: Key, url: Url = LOCAL, as_json: AsJson = False) -> None:
    """One budget: its lifetime and its windows, a forecast, and how many more questions it buys."""
    (found,) = call(url, key, lambda client: client.budget(account))
    if as_json:
        out.print_json(json.dumps(found))
    else:
        _print_budget(found)


@budgets_app.command("set")
def change(
    account: Account,
    *,
    epsilon: Cap,
    reason: Reason,
    key: Key,
    meter: Meter = "lifetime",
    delta: Delta = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Change a cap, as an officer: a lower one is in force at once, a higher one when another officer approves."""
    more = _members(meter, delta)
    changed = call(url, key, lambda client: client.set_budget(account, epsilon=epsilon, reason=reason, **more))
    if as_json:
        out.print_json(json.dumps(changed))
    elif "state" in changed:
        print_proposal(changed)
    else:
        _print_budget(changed)


@budgets_app.command("request")
def request(
    account: Account,
    *,
    epsilon: Cap,
    reason: Reason,
    key: Key,
    meter: Meter = "lifetime",
    delta: Delta = None,
    url: Url = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Ask for a higher cap of one's own: two officers have to approve of it."""
    more = _members(meter, delta)
    asked = call(url, key, lambda client: client.request_budget(account, epsilon=epsilon, reason=reason, **more))
    if as_json:
        out.print_json(json.dumps(asked))
    else:
        print_proposal(asked)


def _members(meter: str, delta: str | None) -> dict[str, str]:
    return {"meter": meter} | ({} if delta is None else {"delta_for_thresholds": delta})


def _print_budget(budget: dict[str, Any]) -> None:
    print_table(["account", "meter", *_AMOUNTS, "starts anew"], _rows(budget))
    out.print(budget["forecast"]["words"])
    left = budget["about_queries_left"]
    if left is not None:
        out.print(f"Enough is left for about {left:,} more queries like the last one.")


def _rows(budget: dict[str, Any]) -> list[dict[str, str | None]]:
    """A row a meter, in epsilon: the lifetime first."""
    reached = budget["forecast"]["cap_reached_on"]
    rows = []
    for meter in budget["meters"]:
        amounts = {name: "no limit" if meter[name] is None else meter[name]["epsilon"] for name in _AMOUNTS}
        is_life = meter["kind"] == "lifetime"
        place = {"account": budget["id"] if is_life else None, "meter": meter["meter"]}
        until = None if meter["until"] is None else meter["until"][:10]
        rows.append({**place, **amounts, "starts anew": until, "at this pace": reached if is_life else None})
    return rows
