"""Two neighbouring datasets behind the real service: `whole` has one customer more than `rest`.

The customer's rows are full of canaries and traps. The canaries may be nowhere but in the vault. The traps make
careless arithmetic fail: a cast, a division or a sum that can raise does so on `whole` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx

from queries.vault import SecretKeys, load_snapshot
from service.settings import Settings
from tests.privacy.stores import CANARY_CARD, CANARY_NOTE, CANARY_TICKET, POLICY_TEXT, Service

WHOLE, REST = "whole", "rest"
DATASETS = (WHOLE, REST)
OWN_STORE = 4  # where nobody but the customer buys
OTHERS = 60
PLANTED = (CANARY_NOTE, CANARY_CARD, str(CANARY_TICKET))
PRICE = "0.000001"  # of rho: enough to be charged, and too little to be exact
_LAST = 2**63 - 1
_OTHERS = f"""
    SELECT 'card ' || (i % {OTHERS}) AS card_id, i % {OWN_STORE} AS store_id,
           DATE '2026-03-01' + (i % 60)::INTEGER AS day, i % 24 AS hour,
           1 + (i % 500)::DECIMAL(9, 2) / 10 AS amount, (i % 9)::VARCHAR AS note, 1 + i % 7 AS ticket
    FROM range(1200) AS numbers(i)
"""
_CUSTOMER = f"""
    SELECT '{CANARY_CARD}' AS card_id, {OWN_STORE} AS store_id, day, hour, amount, note, ticket
    FROM (VALUES
        (DATE '2026-12-31', 23, 765.43::DECIMAL(9, 2), '{CANARY_NOTE}', {CANARY_TICKET}),
        (DATE '2026-12-31', 0, 0.00, 'no number', 0),
        (DATE '2026-01-01', 0, -1000.00, '', -{_LAST}),
        (DATE '2026-01-01', 0, 1000.00, NULL, {_LAST}),
        (DATE '2026-06-01', 12, 999.99, '9e999', {_LAST})
    ) AS lines(day, hour, amount, note, ticket)
"""
_AGES = "SELECT DISTINCT card_id, CASE WHEN card_id LIKE 'canary%' THEN '85+' ELSE '18-34' END AS age FROM ({lines})"
_STORES = f"SELECT i AS store_id, 'region ' || (i % 2) AS region FROM range({OWN_STORE + 1}) AS numbers(i)"


def tables_of(dataset: str) -> dict[str, str]:
    """The query of each table."""
    lines = f"{_OTHERS} UNION ALL {_CUSTOMER}" if dataset == WHOLE else _OTHERS
    return {"purchases": lines, "cards": _AGES.format(lines=lines), "stores": _STORES}


def load_planted(settings: Settings) -> None:
    """Load both datasets."""
    keys = SecretKeys.open(settings.keys_dir)
    for dataset in DATASETS:
        tables = tables_of(dataset)
        sources = {name: str(settings.data_dir / f"{dataset}-{name}.parquet") for name in tables}
        with duckdb.connect() as connection:
            for name, query in tables.items():
                connection.execute(f"COPY ({query}) TO '{sources[name]}' (FORMAT parquet)")
        load_snapshot(settings.vault_root, POLICY_TEXT.format(dataset=dataset), sources, keys)
        for path in sources.values():
            Path(path).unlink()


@dataclass(frozen=True)
class Charged:
    """A response, and the nano-rho that its dataset lost for it."""

    response: httpx.Response
    rho_nano: int


def ask(service: Service, dataset: str, sql: str, members: Mapping[str, object] | None = None) -> Charged:
    """Ask at PRICE unless the members say another one; `owner` among them is who asks."""
    given: dict[str, Any] = {"reuse": "never", **(members or {})}
    if not given.keys() & {"epsilon", "rho", "target"}:
        given["rho"] = PRICE
    owner = str(given.pop("owner", "analyst"))
    before = service.spent(dataset)
    response = service.ask(dataset, sql, owner=owner, **given)
    return Charged(response, service.spent(dataset) - before)


def price_nano(members: Mapping[str, object] | None = None) -> int:
    """The nano-rho of a request that says rho, or nothing."""
    return round(float(str((members or {}).get("rho", PRICE))) * 10**9)
