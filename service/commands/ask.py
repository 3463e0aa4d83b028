"""`kvitto query` and `quote`: questions over HTTP, with the rights of the key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from service.client import Client, Quote, connect, error_text
from service.client_errors import KvittoError, QueryNotPrivateError
from service.commands.screen import err, fail, out, print_table
from service.readable import names

Url = Annotated[str, typer.Option(envvar="KVITTO_URL", help="Address of the service.")]
Key = Annotated[str, typer.Option(envvar="KVITTO_KEY", help="API key; better given in the environment than here.")]
Dataset = Annotated[str, typer.Option(help="The dataset asked.")]
Epsilon = Annotated[str | None, typer.Option(help="Price of the whole query; default: the dataset's.")]
Error = Annotated[
    str | None,
    typer.Option(
        help="In place of a price: the half width that no 95% interval may exceed; 50@0.99 for another confidence."
    ),
]
Column = Annotated[str | None, typer.Option(help="The column that --error is about; default: all that are known.")]
Sql = Annotated[str, typer.Argument(help="One SELECT statement.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the whole JSON document.")]
LOCAL = "http://localhost:8000"
Answer = TypeVar("Answer")


def query_command(
    sql: Sql,
    *,
    key: Key,
    url: Url = LOCAL,
    dataset: Dataset = "journey",
    epsilon: Epsilon = None,
    error: Error = None,
    column: Column = None,
    as_json: AsJson = False,
) -> None:
    """Ask a question; it is charged. Figures are shown as they should be read; --json has them as they are."""
    wanted = _wanted(error, column)
    result = call(url, key, lambda client: client.query(sql, dataset=dataset, epsilon=epsilon, **wanted))
    if as_json:
        out.print_json(json.dumps(result.body))
        return
    print_table(names(result.columns), result.readable())
    for notice in result.notices:
        err.print(f"notice: {notice['text']}", style="yellow")
    err.print(f"query {result.id}, epsilon {result.cost['epsilon']} charged")


def quote_command(
    sql: Sql,
    *,
    key: Key,
    url: Url = LOCAL,
    dataset: Dataset = "journey",
    epsilon: Epsilon = None,
    error: Error = None,
    column: Column = None,
    as_json: AsJson = False,
) -> None:
    """What a question would cost and how exact its answer would be: free."""
    wanted = _wanted(error, column)
    quote = call(url, key, lambda client: client.quote(sql, dataset=dataset, epsilon=epsilon, **wanted))
    if as_json:
        out.print_json(json.dumps(quote))
        return
    _print_quote(quote)


def _wanted(error: str | None, column: str | None) -> dict[str, Any]:
    """The member `target` of the request, if an error is given."""
    if error is None:
        if column is not None:
            fail("--column says more of --error, which is missing.")
        return {}
    size, _, confidence = error.partition("@")
    given = {"error": size, "confidence": confidence or None, "column": column}
    return {"target": {name: value for name, value in given.items() if value is not None}}


def _print_quote(quote: Quote) -> None:
    columns = [
        {**each, "error (95%)": error_text(each) if each["role"] == "estimate" else None} for each in quote.columns
    ]
    print_table(["name", "type", "role", "error (95%)"], columns)
    for release in quote["releases"]:
        print_table(["columns", "bound", "from", "clips"], [_bound(measure) for measure in release["measures"]])
        for keys in release["key_sources"]:
            out.print(f"{', '.join(keys['columns']) or 'keys that are not shown'}: {keys['source']}")
    names = sorted({name for price in quote.prices for name in price["interval_half_widths"]})
    if names:
        widths = [price["interval_half_widths"] for price in quote.prices]
        rows = [
            {"epsilon": price["epsilon"], **{name: f"± {width[name]:,.6g}" for name in names}}
            for price, width in zip(quote.prices, widths, strict=True)
        ]
        print_table(["epsilon", *names], rows)
    for notice in quote.notices:
        out.print(f"notice: {notice['text']}")
    out.print(_price_line(quote))


def _bound(measure: dict[str, Any]) -> dict[str, str]:
    return {
        "columns": ", ".join(measure["columns"]) or measure["kind"],
        "bound": measure["l2_bound"] or "to be chosen",
        "from": measure["bound_source"],
        "clips": measure["clipping"]["explanation"],
    }


def _price_line(quote: Quote) -> str:
    if quote["repeats"] is None:
        return "epsilon 0: this is free" + (", the answer is stored." if quote["stored"]["complete"] else ".")
    left = f"enough is left for {quote['repeats']:,}" if quote["affordable"] else "more than is left"
    return f"epsilon {quote.cost['epsilon']} would be charged: {left}."


def call(url: str, key: str, ask: Callable[[Client], Answer]) -> Answer:
    """What a call over HTTP gives; ends the command in one line where it is refused."""
    try:
        with connect(url, key) as client:
            return ask(client)
    except QueryNotPrivateError as error:
        fail(f"{error}" + (f"\nInstead: {error.rewrite}" if error.rewrite else ""))
    except KvittoError as error:
        fail(str(error))
