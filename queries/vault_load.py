"""Loads a dataset from its sources into a new snapshot.

DuckDB converts, clamps, pseudonymises and sorts private rows. No unit value enters the snapshot: rows carry a dense id,
given in the order of keyed pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from queries.policy import Policy, load_policy
from queries.sql_text import text_literal
from queries.vault_keys import SecretKeys
from queries.vault_making import DEFAULT_MEMORY_MB, Making, MayServe, Progress, close_file, new_snapshot
from queries.vault_private import load_private_tables
from queries.vault_public import load_public_tables
from queries.vault_snapshots import Snapshot
from queries.vault_sources import open_sources


def load_snapshot(  # noqa: PLR0913  # the contract of a load: what, from where, under which keys
    vault_root: Path,
    policy_text: str,
    sources: Mapping[str, str],
    keys: SecretKeys,
    *,
    origin: str = "policy",
    as_of: date | None = None,
    memory_mb: int = DEFAULT_MEMORY_MB,
    progress: Progress | None = None,
    may_serve: MayServe | None = None,
) -> Snapshot:
    """The new snapshot of the policy's dataset, durable when this returns: current, unless its policy has to wait.

    `may_serve` is asked with the current snapshot and the new policy whether that may serve at once.

    `sources` maps each table that the policy does not list to a CSV or Parquet file, or to 'file.duckdb::table'.
    `as_of` is the day from which retention counts back: the policy's own if it states one, else today. Who is on the
    list of opt-outs beside the vault is left out. Raises PolicyError or LoadError; the old snapshot then still serves.
    An error names tables and columns, never a value.
    """
    policy = load_policy(policy_text, origin)
    return new_snapshot(
        vault_root,
        policy,
        policy_text,
        keys,
        lambda making: _read_sources(making, policy, sources),
        as_of=as_of,
        memory_mb=memory_mb,
        progress=progress,
        may_serve=may_serve,
    )


def _read_sources(making: Making, policy: Policy, sources: Mapping[str, str]) -> dict[str, int]:
    """Writes both database files; returns the row counts of the public tables."""
    with making.writing() as connection:
        opened = open_sources(connection, policy, sources)
        connection.execute(f"ATTACH {text_literal(str(making.public_file))} AS public_vault")
        making.tell("public tables", 0.02)
        public_rows = load_public_tables(connection, policy, opened)
        load_private_tables(connection, policy, opened, making.private, making.tell)
        close_file(connection, "public_vault")
        for source in opened.values():
            source.close(connection)
    return public_rows
