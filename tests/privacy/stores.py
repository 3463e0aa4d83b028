"""Two neighbouring datasets behind the real service: `full` has customers that `less` has not, one in each store.

All that is compared between the two goes through HTTP, a real ledger and real workers.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import httpx

from budgets.ledger import Ledger
from queries.vault import SecretKeys, load_snapshot
from service.app import create_app, open_api_keys, open_ledger
from service.settings import Settings
from tests.queries.worker_world import CACHE
from tests.service.live import served

STORES = 5_000
ROWS_EACH = 40  # of each customer that `full` has more; clipped to BOUND
BOUND = 10
CANARY_NOTE, CANARY_CARD, CANARY_AGE = "canary-note-7f3a", "canary-card-91bd", "85+"
CANARY_TICKET, CANARY_CENTS = 771_903_554_217, 76_543
CANARIES = (CANARY_NOTE, CANARY_CARD, str(CANARY_TICKET), "765.43", str(CANARY_CENTS))

POLICY_TEXT = """
dataset: {dataset}
title: Many stores, few customers
unit: {{name: card, label: a loyalty card with all its rows}}
max_units: 10000
max_groups_contributed: 20
budget: {{epsilon: 100, delta: 1e-3, delta_for_thresholds: 5e-4}}
query: {{default_epsilon: 0.1, max_epsilon: 10}}
persons:
  analyst: {{epsilon: 90}}
  spender: {{epsilon: 1}}
  other: {{epsilon: 5}}
retention: {{days: 36500, column: purchases.day, as_of: 2026-12-31}}
tables:
  purchases:
    visibility: private
    unit_column: card_id
    columns:
      card_id: {{type: string}}
      store_id: {{type: integer, references: stores.store_id}}
      day: {{type: date, range: [2026-01-01, 2026-12-31]}}
      hour: {{type: integer, range: [0, 23]}}
      amount: {{type: decimal, scale: 2, range: ["-1000.00", "1000.00"]}}
      note: {{type: string, nullable: true}}
      ticket: {{type: integer}}
  cards:
    visibility: private
    unit_column: card_id
    unique_per_unit: true
    columns:
      card_id: {{type: string}}
      age: {{type: string, nullable: true, domain: ["18-34", "35-64", "65-84", "85+"]}}
  stores:
    visibility: public
    key: store_id
    columns:
      store_id: {{type: integer, range: [0, 99999]}}
      region: {{type: string}}
bounds:
  - {{measure: rows, l2: 10}}
  - {{measure: units, l2: 1}}
  - {{measure: purchases.amount, l2: "100.00"}}
"""
_ORDINARY = """
    SELECT 'card ' || (i % 200) AS card_id, -1 AS store_id, DATE '2026-03-01' + (i % 60)::INTEGER AS day,
           i % 24 AS hour, (i % 500)::DECIMAL(9, 2) / 10 AS amount, 'plain' AS note, i % 7 AS ticket
    FROM range(2000) AS numbers(i)
"""
_HEAVY = f"""
    SELECT '{CANARY_CARD} ' || (i // {ROWS_EACH}) AS card_id, i // {ROWS_EACH} AS store_id,
           DATE '2026-05-01' AS day, i % 24 AS hour, {CANARY_CENTS / 100:.2f}::DECIMAL(9, 2) AS amount,
           '{CANARY_NOTE}' AS note, {CANARY_TICKET} AS ticket
    FROM range({STORES * ROWS_EACH}) AS numbers(i)
"""
_AGES = "SELECT DISTINCT card_id, CASE WHEN card_id LIKE 'canary%' THEN '85+' ELSE '18-34' END AS age FROM ({lines})"
_STORES = f"SELECT i AS store_id, 'region ' || (i % 5) AS region FROM range({STORES}) AS numbers(i)"


# A pool that closes surplus connections may close one that another thread has just been given.
NO_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)


@dataclass(frozen=True)
class Service:
    """A running service, as callers see it, and its ledger, as auditors do."""

    settings: Settings
    keys: Mapping[str, str]
    ledger: Ledger
    client: httpx.Client

    def headers(self, owner: str, idempotency_key: str | None = None) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.keys[owner]}",
            "Idempotency-Key": idempotency_key or uuid.uuid4().hex,
        }

    def ask(
        self, dataset: str, sql: str, *, owner: str = "analyst", key: str | None = None, **members: Any
    ) -> httpx.Response:
        body = {"dataset": dataset, "sql": sql, **members}
        return self.client.post("/v1/queries", headers=self.headers(owner, key), json=body)

    def get(self, path: str, owner: str = "analyst") -> httpx.Response:
        return self.client.get(path, headers=self.headers(owner))

    def spent(self, account: str) -> int:
        """The nano-rho that an account has spent or reserved."""
        balance = self.ledger.balance(account)
        return balance.spent.rho_nano + balance.reserved.rho_nano


def settings_of(directory: Path, **more: Any) -> Settings:
    """Settings of a service in `directory`, with the compiled code of earlier runs."""
    directory.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(exist_ok=True)
    if not (directory / "cache").exists():
        (directory / "cache").symlink_to(CACHE)
    return Settings(data_dir=directory, response_grid_ms=0, rate_burst=100_000, rate_per_second=10_000, **more)


def load(settings: Settings, dataset: str, *, heavy: bool) -> None:
    """Load the dataset, with or without the customers that make the difference."""
    lines = f"{_ORDINARY} UNION ALL {_HEAVY}" if heavy else _ORDINARY
    tables = {"purchases": lines, "cards": _AGES.format(lines=lines), "stores": _STORES}
    sources = {}
    with duckdb.connect() as connection:
        for name, query in tables.items():
            sources[name] = str(settings.data_dir / f"{dataset}-{name}.parquet")
            connection.execute(f"COPY ({query}) TO '{sources[name]}' (FORMAT parquet)")
    keys = SecretKeys.open(settings.keys_dir)
    load_snapshot(settings.vault_root, POLICY_TEXT.format(dataset=dataset), sources, keys)
    for path in sources.values():
        Path(path).unlink()


def share_vault(settings: Settings, other: Settings) -> None:
    """Let a second service read the vault of a first one."""
    settings.vault_root.symlink_to(other.vault_root)
    settings.keys_dir.mkdir(mode=0o700)
    for path in (path for path in other.keys_dir.iterdir() if path.name in {"vault.key", "pseudonym.key"}):
        shutil.copy(path, settings.keys_dir)
    shutil.copytree(other.keys_dir / "snapshots", settings.keys_dir / "snapshots")


def make_keys(settings: Settings) -> dict[str, str]:
    """API keys by owner."""
    keys = open_api_keys(settings)
    roles = {"analyst": "analyst", "spender": "analyst", "other": "analyst", "officer": "officer", "auditor": "auditor"}
    texts = {owner: keys.create(owner, role)[1] for owner, role in roles.items()}
    keys.close()
    return texts


@contextmanager
def running(settings: Settings, texts: Mapping[str, str]) -> Iterator[Service]:
    """The service on a free port, in this process, its workers in theirs."""
    ledger = open_ledger(settings)
    app = create_app(settings, ledger=ledger)
    with served(app) as url, httpx.Client(base_url=url, timeout=120, limits=NO_LIMITS) as client:
        yield Service(settings, texts, ledger, client)
