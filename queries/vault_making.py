"""Makes a new snapshot, whatever its rows come from: all of it or nothing, and no older one with rows that were erased.

Rows are streamed within a memory limit, and spill to encrypted files in the folder under construction. What fails, or
is killed, leaves the old snapshot serving.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from queries.errors import ExclusionListError, LoadError
from queries.exclusion_list import ExclusionList, Exclusions, list_file
from queries.policy import Policy
from queries.vault_columns import FAILURE_MARK
from queries.vault_encryption import attach_encrypted, load_encryption
from queries.vault_keys import SecretKeys
from queries.vault_private import PrivateLoad
from queries.vault_snapshots import (
    BUILDING_PREFIX,
    CURRENT,
    WAITING,
    Snapshot,
    delete_others,
    loading,
    new_snapshot_id,
    newest_manifest,
    prune,
    publish,
    readable_current,
)

Progress = Callable[[str, float], None]
MayServe = Callable[[Snapshot | None, Policy], bool]

DEFAULT_MEMORY_MB = 2_048


@dataclass(frozen=True, slots=True)
class Making:
    """A snapshot under construction: its folder, what is private to it, and how it is written."""

    directory: Path
    private: PrivateLoad
    file_key: str = field(repr=False)
    memory_mb: int
    tell: Progress

    @property
    def public_file(self) -> Path:
        return self.directory / "public.duckdb"

    @contextmanager
    def writing(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection with the new private file as `vault` and room to sort as `scratch`; both are whole at its end.

        The engine's errors, whose texts can quote rows, come out as LoadErrors that do not.
        """
        spill, file = self.directory / "spill", self.directory / "private.duckdb"
        spill.mkdir(mode=0o700)
        with _failures_without_values(), _connection(spill, self.memory_mb) as connection:
            attach_encrypted(connection, file, "vault", self.file_key)
            attach_encrypted(connection, spill / "scratch.duckdb", "scratch", self.file_key)
            yield connection
            for alias in ("vault", "scratch"):
                close_file(connection, alias)
        file.chmod(0o600)
        shutil.rmtree(spill)


def new_snapshot(  # noqa: PLR0913  # what, where, under which keys, and how its files are written
    vault_root: Path,
    policy: Policy,
    policy_text: str,
    keys: SecretKeys,
    write: Callable[[Making], dict[str, int]],
    *,
    as_of: date | None = None,
    memory_mb: int = DEFAULT_MEMORY_MB,
    progress: Progress | None = None,
    may_serve: MayServe | None = None,
) -> Snapshot:
    """The new snapshot, durable when this returns; `write` gives the row counts of the public tables.

    It is current, unless `may_serve`, asked with the current snapshot and the new policy, has it wait. When an erasure
    is due and it serves, all older snapshots are gone as well, with their keys. Raises LoadError.
    """
    tell = progress or (lambda _step, _share: None)
    home = vault_root / policy.dataset
    now = datetime.now(UTC)
    kept_from = (as_of or policy.retention.as_of or now.date()) - timedelta(days=policy.retention.days)
    with loading(home, keys) as snapshots, _opened_list(vault_root, home, keys) as listed:
        exclusions = _exclusions(listed, policy)
        snapshot_id = new_snapshot_id(now)
        building = snapshots / f"{BUILDING_PREFIX}{snapshot_id}"
        building.mkdir(mode=0o700)
        try:
            file_key = keys.make_snapshot_key(policy.dataset, snapshot_id)
            private = PrivateLoad(keys, kept_from, exclusions.left_out)
            public_rows = write(Making(building, private, file_key, memory_mb, tell))
            (building / "public.duckdb").chmod(0o600)
            _write(building / "policy.yaml", policy_text)
            facts = _facts(policy, policy_text, keys, kept_from, now) | {"exclusion_list": listed.id}
            _write(building / "manifest.json", json.dumps(facts | {"public_tables": public_rows}, indent=2) + "\n")
            serves = may_serve is None or may_serve(readable_current(vault_root, policy.dataset), policy)
            snapshot = publish(home, building, snapshot_id, CURRENT if serves else WAITING)
        finally:
            shutil.rmtree(building, ignore_errors=True)  # gone already, under its final name, when all went well
            if not (snapshots / snapshot_id).exists():
                keys.destroy_snapshot_key(policy.dataset, snapshot_id)
        if serves:
            _retire(home, snapshot_id, keys, listed, exclusions)
        else:  # the old one serves on: an erasure stays due until the next that serves
            prune(home, keys)
    tell("done", 1.0)
    return snapshot


def close_file(connection: duckdb.DuckDBPyConnection, alias: str) -> None:
    """Writes out and detaches an attached file."""
    connection.execute(f"CHECKPOINT {alias}")
    connection.execute(f"DETACH {alias}")


def _retire(home: Path, current_id: str, keys: SecretKeys, listed: ExclusionList, carried_out: Exclusions) -> None:
    """Deletes old snapshots: with an erasure due all of them, and only when they are gone it is noted as done."""
    if not listed.erasure_is_due(home.name):
        prune(home, keys)
        return
    try:
        delete_others(home, current_id, keys)
    except OSError as error:
        raise LoadError(
            "the new snapshot serves, but an older one could not be deleted; run `kvitto refresh` again"
        ) from error
    listed.note_carried_out(home.name, carried_out.through)


@contextmanager
def _opened_list(vault_root: Path, home: Path, keys: SecretKeys) -> Iterator[ExclusionList]:
    """The list of opt-outs; refuses to go on without the one that the last snapshot was made with."""
    file, last = list_file(vault_root), newest_manifest(home).get("exclusion_list")
    lost = f"{file.name} is not the list of opt-outs that the last snapshot was made with: restore it from its backup"
    if last is not None and not file.exists():
        raise ExclusionListError(lost)
    if (home / "optouts.json").exists():
        raise ExclusionListError("optouts.json is not read any more: record its cards with `kvitto optout`")
    with closing(ExclusionList(file, keys)) as listed:
        if last not in {None, listed.id}:
            raise ExclusionListError(lost)
        yield listed


def _exclusions(listed: ExclusionList, policy: Policy) -> Exclusions:
    found = listed.of(policy.dataset)
    if not policy.has_line_items and listed.has_level(policy.dataset, "line_items"):
        raise ExclusionListError("opt-outs of line items are on file, and the policy declares no table of line items")
    return found


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


def _facts(policy: Policy, policy_text: str, keys: SecretKeys, kept_from: date, now: datetime) -> dict[str, object]:
    """Public facts only: nothing in it depends on a private row, nor on who is left out."""
    return {
        "dataset": policy.dataset,
        "created": now.isoformat(timespec="seconds"),
        "kept_from": kept_from.isoformat(),
        "policy_sha256": hashlib.sha256(policy_text.encode()).hexdigest(),
        "pseudonym_key_fingerprint": keys.pseudonym_key_fingerprint(),
        "duckdb": duckdb.__version__,
        "private_tables": sorted(policy.private_tables()),
    }


def _write(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
