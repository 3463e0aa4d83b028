"""`kvitto query`, `quote` and `budget`: calls over HTTP, with the rights of the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from service.client import Client, connect
from service.client_errors import KvittoError, QueryNotPrivateError
from service.commands.screen import err, fail, out, print_table

Url = Annotated[str, typer.Option(envvar="KVITTO_URL", help="Address of the service.")]
Key = Annotated[str, typer.Option(envvar="KVITTO_KEY", help="API key; better given in the environment than here.")]
Dataset = Annotated[str, typer.Option(help="The dataset asked.")]
Epsilon = Annotated[str | None, typer.Option(help="Price of the whole query; default: the dataset's.")]
Sql = Annotated[str, typer.Argument(help="One SELECT statement.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole JSON document.")]
_LOCAL = "http://localhost:8000"
Answer = TypeVar("Answer")

budget_app = typer.Typer(help="Show and change budgets.", no_args_is_help=True)


def query_command(
    sql: Sql,
    *,
    key: Key,
    url: Url = _LOCAL,
    dataset: Dataset = "journey",
    epsilon: Epsilon = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question; it is charged."""
    result = _call(url, key, lambda client: client.query(sql, dataset=dataset, epsilon=epsilon))
    if as_json:
        out.print_json(json.dumps(result.body))
        return
    print_table([column["name"] for column in result.columns], result.rows)
    err.print(f"query {result.id}, epsilon {result.cost['epsilon']} charged")


def quote_command(
    sql: Sql, *, key: Key, url: Url = _LOCAL, dataset: Dataset = "journey", epsilon: Epsilon = None
) -> None:
    """What a question would cost and how exact its answer would be: free."""
    out.print_json(json.dumps(_call(url, key, lambda client: client.quote(sql, dataset=dataset, epsilon=epsilon))))


@budget_app.command("show")
def show(
    account: Annotated[str | None, typer.Argument(help="One account, as journey/person/analyst.")] = None,
    *,
    key: Key,
    url: Url = _LOCAL,
) -> None:
    """The budgets that the key may see."""
    found = _call(url, key, lambda client: client.budget(account))
    print_table(["account", "cap", "spent", "remaining"], [_row(budget) for budget in found])


@budget_app.command("set")
def change(
    account: Annotated[str, typer.Argument(help="The account, as journey/person/analyst.")],
    *,
    epsilon: Annotated[str, typer.Option(help="The new cap.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    key: Key,
    url: Url = _LOCAL,
) -> None:
    """Change a cap, as an officer."""
    changed = _call(url, key, lambda client: client.set_budget(account, epsilon=epsilon, reason=reason))
    print_table(["account", "cap", "spent", "remaining"], [_row(changed)])


def _row(budget: dict[str, Any]) -> dict[str, str]:
    return {"account": budget["id"], **{name: budget[name]["epsilon"] for name in ("cap", "spent", "remaining")}}


def _call(url: str, key: str, ask: Callable[[Client], Answer]) -> Answer:
    try:
        with connect(url, key) as client:
            return ask(client)
    except QueryNotPrivateError as error:
        fail(f"{error}" + (f"\nInstead: {error.rewrite}" if error.rewrite else ""))
    except KvittoError as error:
        fail(str(error))
