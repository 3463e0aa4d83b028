"""The Python client: `connect(url, key).query(sql)` gives rows with their cost and receipt.

A question has one Idempotency-Key for all its tries: a retry is answered from the ledger and never charged twice.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final, Self

import httpx
import pyarrow as pa

from service.client_errors import error_of
from service.formats import to_table
from service.readable import Readable, names, readable

if TYPE_CHECKING:
    import pandas as pd

_UNREACHABLE: Final = "/problems/unreachable"
_RETRIED: Final = frozenset(
    {
        _UNREACHABLE,
        "/problems/request-in-progress",
        "/problems/engine-unavailable",
        "/problems/ledger-unavailable",
        "/problems/too-many-requests",
    }
)
_SHOWN_ROWS: Final = 50
_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Result:
    """An answer: noised rows with intervals, what they cost, and the receipt."""

    body: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The query's id, under which answer and receipt can be had again."""
        return str(self.body["id"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries."""
        return list(self.body["rows"])

    @property
    def columns(self) -> list[dict[str, Any]]:
        """Name, type and role of each column; `of` names the estimate that a column says something of."""
        return list(self.body["columns"])

    @property
    def cost(self) -> dict[str, Any]:
        """What was charged: `epsilon`, `delta`, `rho`, and `reused_from` where a stored answer was free."""
        return dict(self.body["cost"])

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Bounds that do not fit, or may not, and were declared or stated: `code`, `columns`, `text` and figures."""
        return list(self.body.get("notices", []))

    @property
    def receipt(self) -> dict[str, Any]:
        """The record of the release, for an auditor."""
        return dict(self.body["receipt"])

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table."""
        return to_table(self.columns, self.rows)

    def to_pandas(self) -> pd.DataFrame:
        """The rows as a pandas frame; `attrs["columns"]` describes its columns."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        frame.attrs["columns"] = self.columns
        return frame

    def readable(self) -> list[dict[str, str]]:
        """The rows for people: of an estimate its display value, how far it may be off, and whether that is poor."""
        return [{name: cell.text for name, cell in readable(self.columns, row).items()} for row in self.rows]

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in names(self.columns))
        rows = "".join(
            "<tr>" + "".join(_cell(cell) for cell in readable(self.columns, row).values()) + "</tr>"
            for row in self.rows[:_SHOWN_ROWS]
        )
        more = len(self.rows) - _SHOWN_ROWS
        rest = f"<p>… and {more} more rows</p>" if more > 0 else ""
        price = f"ε {escape(str(self.cost.get('epsilon')))} charged, query {escape(self.id)}"
        table = f"<table><caption>{price}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"{table}{rest}{_noticed(self.notices)}"


class Quote(dict[str, Any]):
    """What a question would cost and how exact its answer would be: the JSON document, shown as a table."""

    @property
    def cost(self) -> dict[str, Any]:
        """What would be charged: `epsilon`, `delta`, `rho`, and `reused_from` where a stored answer is free."""
        return dict(self["cost"])

    @property
    def columns(self) -> list[dict[str, Any]]:
        """Name, type and role of each column, with its standard error and 95% half width where these are known."""
        return list(self["columns"])

    @property
    def prices(self) -> list[dict[str, Any]]:
        """Other prices, and the half widths that they give."""
        return list(self["prices"])

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Bounds that do not fit, or may not, and were declared or stated: `code`, `columns`, `text` and figures."""
        return list(self.get("notices", []))

    def errors(self) -> dict[str, str]:
        """What is known of each estimate's error, in words."""
        return {c["name"]: error_text(c) for c in self.columns if c["role"] == "estimate"}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in self.errors().items()
        )
        price = f"ε {escape(str(self.cost.get('epsilon')))} would be charged"
        head = "<tr><th>column</th><th>error (95%)</th></tr>"
        table = f"<table><caption>{price}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"
        return f"{table}{_noticed(self.notices)}"


def error_text(column: Mapping[str, Any]) -> str:
    """The half width of a quoted column's interval, or why it is not known."""
    width, largest = column["interval_half_width"], column["largest_interval_half_width"]
    if width is None:
        return str(column["unknown"]).replace("-", " ")
    if largest is None:
        return f"± {width:,.6g} and more in subtotals"
    return f"± {width:,.6g}" + (f" to ± {largest:,.6g}, by group" if largest > width else "")


class Client:
    """One connection to a service with one key; close it, or use it in a `with` statement."""

    def __init__(self, url: str, key: str, *, timeout_seconds: float = 120.0, retries: int = 5) -> None:
        self._http = httpx.Client(
            base_url=url.rstrip("/"), headers={"Authorization": f"Bearer {key}"}, timeout=timeout_seconds
        )
        self._retries = retries

    def query(
        self,
        sql: str,
        *,
        dataset: str = "journey",
        epsilon: float | str | None = None,
        idempotency_key: str | None = None,
        **members: Any,  # noqa: ANN401  # The other members of the HTTP body: params, rho, target, options …
    ) -> Result:
        """The answer to one question; it is charged, unless a stored answer serves.

        Raises a `KvittoError` of `service.client_errors`: `QueryNotPrivateError` with a hint, `BudgetExhaustedError`, …
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return Result(self._call("POST", "/v1/queries", json=_body(sql, dataset, epsilon, members), headers=headers))

    def quote(
        self,
        sql: str,
        *,
        dataset: str = "journey",
        epsilon: float | str | None = None,
        **members: Any,  # noqa: ANN401  # As in `query`.
    ) -> Quote:
        """The price and the expected error of a question, free."""
        body = {**_body(sql, dataset, epsilon, members), "dry_run": True}
        return Quote(self._call("POST", "/v1/queries", json=body))

    def accuracy(
        self,
        sql: str,
        *,
        dataset: str = "journey",
        epsilons: Sequence[float | str] | None = None,
        **members: Any,  # noqa: ANN401  # The other members of the HTTP body: params, options, draws …
    ) -> dict[str, Any]:
        """How exact the answers would be at each of these prices, from simulations; free."""
        priced = {} if epsilons is None else {"epsilons": [str(epsilon) for epsilon in epsilons]}
        body = {"sql": sql, **priced, **members}
        return dict(self._call("POST", f"/v1/datasets/{dataset}/accuracy", json=body))

    def result(self, query_id: str) -> Result:
        """The stored answer of an earlier question."""
        return Result(self._call("GET", f"/v1/queries/{query_id}/result.json"))

    def datasets(self) -> list[dict[str, Any]]:
        """The datasets that can be asked."""
        return self._pages("/v1/datasets", {})

    def dataset(self, name: str) -> dict[str, Any]:
        """The declared schema, unit, bounds and budget of a dataset."""
        return dict(self._call("GET", f"/v1/datasets/{name}"))

    def budget(self, account_id: str | None = None) -> list[dict[str, Any]]:
        """One's own budgets (officers and auditors: all), or the one that is named."""
        if account_id is not None:
            return [dict(self._call("GET", f"/v1/budgets/{account_id}"))]
        return self._pages("/v1/budgets", {"limit": _PAGE})

    def set_budget(self, account_id: str, *, epsilon: float | str, reason: str, **members: str) -> dict[str, Any]:
        """The changed budget, where a cap is lowered; otherwise the proposal that another officer has to approve of.

        `members` are the others of the HTTP body: `meter` and `delta_for_thresholds`.
        """
        body = {"epsilon": str(epsilon), "reason": reason, **members}
        return dict(self._call("PATCH", f"/v1/budgets/{account_id}", json=body))

    def request_budget(self, account_id: str, *, epsilon: float | str, reason: str, **members: str) -> dict[str, Any]:
        """The proposal of a higher cap of one's own, that two officers have to approve of."""
        body = {"epsilon": str(epsilon), "reason": reason, **members}
        return dict(self._call("POST", f"/v1/budgets/{account_id}/requests", json=body))

    def approvals(self, *, state: str | None = None, dataset: str | None = None) -> list[dict[str, Any]]:
        """Proposals, newest first: one's own, for officers and auditors all."""
        wanted = {name: value for name, value in (("state", state), ("dataset", dataset)) if value is not None}
        return self._pages("/v1/approvals", {"limit": _PAGE, **wanted})

    def approval(self, proposal_id: str) -> dict[str, Any]:
        """One proposal, with what was decided of it."""
        return dict(self._call("GET", f"/v1/approvals/{proposal_id}"))

    def approve(self, proposal_id: str, *, reason: str) -> dict[str, Any]:
        """Approve of a proposal, as an officer; the second approval makes the change."""
        return self._decide(proposal_id, "approve", reason)

    def decline(self, proposal_id: str, *, reason: str) -> dict[str, Any]:
        """Decline a proposal, as an officer: it is over then."""
        return self._decide(proposal_id, "decline", reason)

    def withdraw(self, proposal_id: str, *, reason: str) -> dict[str, Any]:
        """Withdraw a proposal of one's own."""
        return self._decide(proposal_id, "withdraw", reason)

    def frozen(self) -> dict[str, Any]:
        """What is stopped: `everything`, and `datasets` by name."""
        return dict(self._call("GET", "/v1/freeze"))

    def freeze(self, dataset: str | None, *, reason: str) -> dict[str, Any]:
        """Stop a dataset (None: all) at once, as an officer."""
        return dict(self._call("PUT", "/v1/freeze", json={"dataset": dataset, "reason": reason}))

    def unfreeze(self, dataset: str | None, *, reason: str) -> dict[str, Any]:
        """The proposal to start a dataset (None: all) again, that another officer has to approve of."""
        place = {"reason": reason, **({} if dataset is None else {"dataset": dataset})}
        return dict(self._call("DELETE", "/v1/freeze", params=place))

    def history(self, *, dataset: str | None = None) -> list[dict[str, Any]]:
        """All earlier questions, newest first."""
        return self._pages("/v1/queries", {"limit": _PAGE, **({"dataset": dataset} if dataset else {})})

    def _decide(self, proposal_id: str, decision: str, reason: str) -> dict[str, Any]:
        body = {"decision": decision, "reason": reason}
        return dict(self._call("POST", f"/v1/approvals/{proposal_id}/decision", json=body))

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _pages(self, path: str, params: Mapping[str, str | int]) -> list[dict[str, Any]]:
        page = self._call("GET", path, params=params)
        items = list(page["items"])
        while page["next"] is not None:
            page = self._call("GET", path, params={**params, "cursor": page["next"]})
            items += page["items"]
        return items

    def _call(self, method: str, path: str, **request: Any) -> Any:  # noqa: ANN401  # JSON
        """The body of a success. Tries again where nothing was charged, or where the ledger gives the answer."""
        for pause_seconds in (*(0.1 * 2**n for n in range(self._retries)), None):
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                problem = {"type": _UNREACHABLE, "detail": f"The service can't be reached: {error}"}
                asked_seconds = 0.0
            else:
                if response.is_success:
                    return response.json()
                problem = _problem(response)
                asked_seconds = float(response.headers.get("retry-after", 0))
            if pause_seconds is None or problem["type"] not in _RETRIED:
                raise error_of(problem)
            time.sleep(max(asked_seconds, pause_seconds))
        raise AssertionError  # The last pass of the loop returns or raises.


def connect(url: str, key: str, **options: Any) -> Client:  # noqa: ANN401  # The options of `Client`.
    """A client of the service at `url` for the owner of `key`."""
    return Client(url, key, **options)


def _body(sql: str, dataset: str, epsilon: float | str | None, members: Mapping[str, Any]) -> dict[str, Any]:
    """The request body; numbers of prices travel as text, exactly as they were written."""
    priced = {
        name: str(value)
        for name, value in {"epsilon": epsilon, **members}.items()
        if name in _PRICES and value is not None
    }
    rest = {name: value for name, value in members.items() if name not in _PRICES}
    return {"dataset": dataset, "sql": sql, **priced, **rest}


_PRICES: Final = frozenset({"epsilon", "rho", "max_epsilon"})


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        document = response.json()
    except json.JSONDecodeError:
        document = None
    if isinstance(document, dict) and "type" in document:
        return document
    return {"type": "about:blank", "status": response.status_code, "detail": f"HTTP status {response.status_code}"}


def _noticed(notices: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"<p>{escape(str(notice['text']))}</p>" for notice in notices)


def _cell(cell: Readable) -> str:
    grey = ' style="color: gray"' if cell.poor else ""
    return f"<td{grey}>{escape(cell.text)}</td>"
