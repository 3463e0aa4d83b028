"""A small shop to load: its rows as SQL, its files, and the loaded tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from queries.exclusion_list import Asked, ExclusionList, list_file
from queries.exclusions import Kind, Level
from queries.vault import (
    SecretKeys,
    Snapshot,
    attach_encrypted,
    load_encryption,
    load_snapshot,
    refresh_snapshot,
)

POLICY = (Path(__file__).parents[1] / "sql" / "policy" / "valid" / "shop.yaml").read_text(encoding="utf-8")

LINES = """
    SELECT 'card ' || (i * 7919 % 50) AS card_id, (i * 31 % 4)::BIGINT AS product_id,
           DATE '2026-06-01' + (i % 90)::INTEGER AS day, (i % 7)::BIGINT AS pieces,
           (i % 500)::DECIMAL(9, 2) / 10 AS amount
    FROM range(1000) AS numbers(i)
"""
CARDS = """
    SELECT 'card ' || i AS card_id, CASE WHEN i % 3 = 0 THEN NULL WHEN i % 3 = 1 THEN '18-34' ELSE '65+' END AS age
    FROM range(60) AS numbers(i)
"""


@dataclass(frozen=True)
class Shop:
    """What is loaded where; `load` writes the rows as Parquet files first."""

    root: Path
    policy: str = POLICY
    lines: str = LINES
    cards: str = CARDS
    kind: str = "parquet"
    more: tuple[tuple[str, str], ...] = ()  # further tables and their rows
    made: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> SecretKeys:
        return SecretKeys.open(self.root / "keys")

    @property
    def vault(self) -> Path:
        return self.root / "vault"

    def with_policy(self, old: str, new: str) -> Shop:
        if old not in self.policy:
            raise ValueError(old)
        return replace(self, policy=self.policy.replace(old, new))

    def sources(self) -> dict[str, str]:
        places: dict[str, str] = {}
        with duckdb.connect() as connection:
            for name, query in (("lines", self.lines), ("cards", self.cards), *self.more):
                places[name] = str(self.root / f"{name}.{self.kind}")
                if self.kind == "duckdb":
                    Path(places[name]).unlink(missing_ok=True)
                    connection.execute(f"ATTACH '{places[name]}' AS {name}")
                    connection.execute(f"CREATE TABLE {name}.sold AS {query}")
                    places[name] += "::sold"
                else:
                    connection.execute(f"COPY ({query}) TO '{places[name]}' (FORMAT {self.kind})")
        return places

    def load(self) -> Snapshot:
        return load_snapshot(self.vault, self.policy, self.sources(), self.keys)

    def refresh(self) -> Snapshot:
        return refresh_snapshot(self.vault, "shop", self.keys)

    def exclude(self, *cards: str, level: Level = "all", kind: Kind = "opt-out") -> None:
        with closing(self.exclusions()) as listed:
            listed.record(Asked("shop", level, kind, "officer", "the customer asked for it"), cards)

    def exclusions(self) -> ExclusionList:
        return ExclusionList(list_file(self.vault), self.keys)


@contextmanager
def opened(snapshot: Snapshot, keys: SecretKeys) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the private tables under `vault` and the public ones under `public_vault`."""
    with duckdb.connect() as connection:
        load_encryption(connection)
        attach_encrypted(
            connection, snapshot.private_file, "vault", keys.snapshot_key(snapshot.dataset, snapshot.id), ", READ_ONLY"
        )
        connection.execute(f"ATTACH '{snapshot.public_file}' AS public_vault (READ_ONLY)")
        yield connection


def rows(shop: Shop, snapshot: Snapshot, query: str) -> list[tuple[object, ...]]:
    """The rows of a query on the loaded tables."""
    with opened(snapshot, shop.keys) as connection:
        return connection.execute(query).fetchall()
