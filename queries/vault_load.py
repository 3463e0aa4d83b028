"""Loads a dataset into a new snapshot: all of it or nothing.

Private rows are streamed: DuckDB converts, clamps, pseudonymises and sorts them within a memory limit, spilling
encrypted files into the folder under construction. No unit value enters the snapshot: rows carry a dense id, given in
the order of keyed pseudonyms. A load that fails, or is killed, leaves the old snapshot serving.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from queries.errors import LoadError
from queries.policy import Policy, load_policy
from queries.source_files import Source
from queries.sql_text import text_literal
from queries.vault_columns import FAILURE_MARK
from queries.vault_encryption import attach_encrypted, load_encryption
from queries.vault_keys import SecretKeys
from queries.vault_private import PrivateLoad, load_private_tables
from queries.vault_public import load_public_tables
from queries.vault_snapshots import (
    BUILDING_PREFIX,
    CURRENT,
    WAITING,
    Snapshot,
    loading,
    new_snapshot_id,
    prune,
    publish,
    readable_current,
)
from queries.vault_sources import open_sources

Progress = Callable[[str, float], None]
MayServe = Callable[[Snapshot | None, Policy], bool]

DEFAULT_MEMORY_MB = 2_048


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
    `as_of` is the day from which retention counts back: the policy's own if it states one, else today. Raises
    PolicyError or LoadError; the old snapshot then still serves. An error names tables and columns, never a value.
    """
    policy = load_policy(policy_text, origin)
    tell = progress or (lambda _step, _share: None)
    home = vault_root / policy.dataset
    now = datetime.now(UTC)
    with loading(home) as snapshots:
        snapshot_id = new_snapshot_id(now)
        opt_outs = _read_opt_outs(home, keys)
        building = snapshots / f"{BUILDING_PREFIX}{snapshot_id}"
        building.mkdir(mode=0o700)
        day = as_of or policy.retention.as_of or now.date()
        kept_from = day - timedelta(days=policy.retention.days)
        try:
            public_rows = _build(building, policy, sources, PrivateLoad(keys, kept_from, opt_outs), memory_mb, tell)
            _write(building / "policy.yaml", policy_text)
            _write(building / "manifest.json", _manifest(policy, policy_text, keys, kept_from, now, public_rows))
            serves = may_serve is None or may_serve(readable_current(vault_root, policy.dataset), policy)
            snapshot = publish(home, building, snapshot_id, CURRENT if serves else WAITING)
        finally:
            shutil.rmtree(building, ignore_errors=True)  # gone already, under its final name, when all went well
        prune(home)
    tell("done", 1.0)
    return snapshot


def _build(  # one call, private to this file
    building: Path, policy: Policy, sources: Mapping[str, str], private: PrivateLoad, memory_mb: int, tell: Progress
) -> dict[str, int]:
    """Writes both database files; returns the row counts of the public tables."""
    spill = building / "spill"
    spill.mkdir(mode=0o700)
    with _failures_without_values(), _connection(spill, memory_mb) as connection:
        opened = open_sources(connection, policy, sources)
        attach_encrypted(connection, building / "private.duckdb", "vault", private.keys.vault_key)
        attach_encrypted(connection, spill / "scratch.duckdb", "scratch", private.keys.vault_key)
        connection.execute(f"ATTACH {text_literal(str(building / 'public.duckdb'))} AS public_vault")
        tell("public tables", 0.02)
        public_rows = load_public_tables(connection, policy, opened)
        load_private_tables(connection, policy, opened, private, tell)
        _close_files(connection, opened)
    for path in (building / "private.duckdb", building / "public.duckdb"):
        path.chmod(0o600)
    shutil.rmtree(spill)
    return public_rows


@contextmanager
def _connection(spill: Path, memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    config = {
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": str(spill),
        "temp_file_encryption": "true",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "preserve_insertion_order": "true",
    }
    with duckdb.connect(":memory:", config=dict(config)) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        load_encryption(connection)
        yield connection


def _close_files(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, Source]) -> None:
    for alias in ("vault", "public_vault", "scratch"):
        connection.execute(f"CHECKPOINT {alias}")
        connection.execute(f"DETACH {alias}")
    for source in sources.values():
        source.close(connection)


@contextmanager
def _failures_without_values() -> Iterator[None]:
    """Turns DuckDB's errors, whose texts can quote rows, into LoadErrors that do not."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = str(error)
        ours = text.partition(FAILURE_MARK)[2]
        kind = type(error).__name__
        raise LoadError(ours or f"the sources could not be read or the snapshot not written ({kind})") from None


def _read_opt_outs(home: Path, keys: SecretKeys) -> dict[bytes, str]:
    """Pseudonym -> level of those who opted out; raises LoadError when the file is unfit or made with other keys."""
    path = home / "optouts.json"
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        levels = {bytes.fromhex(entry["pseudonym"]): str(entry["level"]) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError):
        raise LoadError("optouts.json is not a list of {pseudonym, level}") from None
    if not set(levels.values()) <= {"all", "line_items"} or any(len(pseudonym) != 32 for pseudonym in levels):  # noqa: PLR2004
        raise LoadError("optouts.json has an entry with an unknown level or a malformed pseudonym")
    if levels and _last_fingerprint(home) not in {None, keys.pseudonym_key_fingerprint()}:
        raise LoadError("the pseudonym key has changed: the opt-outs on file would not be honoured")
    return levels


def _last_fingerprint(home: Path) -> str | None:
    manifests = sorted(home.glob("snapshots/s_*/manifest.json"))
    if not manifests:
        return None
    fingerprint = json.loads(manifests[-1].read_text(encoding="utf-8")).get("pseudonym_key_fingerprint")
    return None if fingerprint is None else str(fingerprint)


def _manifest(  # one call, private to this file
    policy: Policy, policy_text: str, keys: SecretKeys, kept_from: date, now: datetime, public_rows: dict[str, int]
) -> str:
    """Public facts only: nothing in it depends on a private row."""
    facts = {
        "dataset": policy.dataset,
        "created": now.isoformat(timespec="seconds"),
        "kept_from": kept_from.isoformat(),
        "policy_sha256": hashlib.sha256(policy_text.encode()).hexdigest(),
        "pseudonym_key_fingerprint": keys.pseudonym_key_fingerprint(),
        "duckdb": duckdb.__version__,
        "private_tables": sorted(policy.private_tables()),
        "public_tables": public_rows,
    }
    return json.dumps(facts, indent=2) + "\n"


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
