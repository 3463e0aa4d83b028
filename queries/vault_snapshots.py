"""Snapshots on disk: immutable versions of a dataset, one of which is current.

    <vault>/<dataset>/current                       the id of the current snapshot, replaced atomically
    <vault>/<dataset>/waiting                       the id of a snapshot whose policy waits for approvals, if any
    <vault>/<dataset>/snapshots/<id>/private.duckdb  encrypted
    <vault>/<dataset>/snapshots/<id>/public.duckdb   plain
    <vault>/<dataset>/snapshots/<id>/policy.yaml
    <vault>/<dataset>/snapshots/<id>/manifest.json   public facts only
    <vault>/<dataset>/snapshots/.building-<id>/      a load under way, or the leftovers of one that was killed

A snapshot never changes once it has its final name. The key of its private file is in the folder of keys, and goes
before the file does.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from queries.errors import LoadError, PolicyError
from queries.policy import Policy, load_policy
from queries.vault_keys import SecretKeys, sync

BUILDING_PREFIX = ".building-"
KEPT_SNAPSHOTS = 2
MINIMUM_AGE_SECONDS = 600

_DATASET = re.compile(r"[a-z][a-z0-9_]{0,62}")
CURRENT, WAITING = "current", "waiting"
_SNAPSHOT_ID = re.compile(r"s_[0-9]{8}t[0-9]{12}z_[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One immutable version of a dataset."""

    dataset: str
    id: str
    directory: Path
    policy: Policy
    created: str  # ISO 8601, UTC
    as_of: date | None = None  # the day from which retention counted back
    has_own_key: bool = False

    @property
    def private_file(self) -> Path:
        return self.directory / "private.duckdb"

    @property
    def public_file(self) -> Path:
        return self.directory / "public.duckdb"

    @property
    def policy_digest(self) -> str:
        """SHA-256, hex, of the policy's text: what `sha256sum` says to the file."""
        return hashlib.sha256((self.directory / "policy.yaml").read_bytes()).hexdigest()


def datasets(vault_root: Path) -> tuple[str, ...]:
    """The names of the datasets that have a current snapshot, sorted."""
    return _having(vault_root, CURRENT)


def waiting_datasets(vault_root: Path) -> tuple[str, ...]:
    """The names of the datasets that have a waiting snapshot, sorted."""
    return _having(vault_root, WAITING)


def _having(vault_root: Path, pointer: str) -> tuple[str, ...]:
    if not vault_root.is_dir():
        return ()
    names = (entry.name for entry in vault_root.iterdir() if (entry / pointer).is_file())
    return tuple(sorted(name for name in names if _DATASET.fullmatch(name)))


def current_snapshot(vault_root: Path, dataset: str) -> Snapshot | None:
    """The snapshot that serves now, or None if the dataset has none. Raises LoadError if the vault is damaged."""
    return _pointed_at(vault_root, dataset, CURRENT)


def waiting_snapshot(vault_root: Path, dataset: str) -> Snapshot | None:
    """The newest snapshot, if its policy allows more than the current one's and waits for approvals."""
    waiting = _pointed_at(vault_root, dataset, WAITING)
    current = readable_current(vault_root, dataset)
    return None if current == waiting else waiting


def readable_current(vault_root: Path, dataset: str) -> Snapshot | None:
    """The current snapshot; None if there is none, or if it is damaged."""
    try:
        return current_snapshot(vault_root, dataset)
    except LoadError:
        return None


def serve_waiting(vault_root: Path, dataset: str, before: str | None, digest: str) -> Snapshot | None:
    """The waiting snapshot, current now; None if it is not the one whose policy was approved.

    `before` and `digest` are of the approved change: from which policy to which. Raises LoadError during a load.
    """
    home = vault_root / dataset
    with _alone(home):
        current, waiting = readable_current(vault_root, dataset), waiting_snapshot(vault_root, dataset)
        present = None if current is None else current.policy_digest
        if waiting is None or (present, waiting.policy_digest) != (before, digest):
            return None
        _point(home, CURRENT, waiting.id)
        (home / WAITING).unlink()
    return waiting


def _pointed_at(vault_root: Path, dataset: str, pointer: str) -> Snapshot | None:
    if not _DATASET.fullmatch(dataset):
        return None
    home = vault_root / dataset
    try:
        snapshot_id = (home / pointer).read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    return read_snapshot(home, snapshot_id)


@functools.lru_cache(maxsize=64)
def read_snapshot(home: Path, snapshot_id: str) -> Snapshot:
    """The snapshot of this id; raises LoadError if it is not whole."""
    directory = home / "snapshots" / snapshot_id
    if not _SNAPSHOT_ID.fullmatch(snapshot_id):
        raise LoadError(f"the current snapshot of '{home.name}' is damaged: load the dataset again")
    try:
        manifest = manifest_of(directory)
        policy = load_policy((directory / "policy.yaml").read_text(encoding="utf-8"), "policy.yaml of the snapshot")
        as_of = date.fromisoformat(manifest["kept_from"]) + timedelta(days=policy.retention.days)
        own_key = "exclusion_list" in manifest  # both came with one version
        snapshot = Snapshot(home.name, snapshot_id, directory, policy, str(manifest["created"]), as_of, own_key)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, PolicyError) as error:
        raise LoadError(f"the current snapshot of '{home.name}' is damaged: load the dataset again") from error
    return snapshot


def private_key(snapshot: Snapshot, keys: SecretKeys) -> str:
    """The key of a snapshot's private file. Raises LoadError where it is not among the keys any more."""
    if snapshot.has_own_key and not keys.has_snapshot_key(snapshot.dataset, snapshot.id):
        raise LoadError(
            f"the key of '{snapshot.dataset}', {snapshot.id}.key, is missing among the keys in snapshots/"
            f"{snapshot.dataset}: load the dataset again, or put it back"
        )
    return keys.snapshot_key(snapshot.dataset, snapshot.id)


def manifest_of(directory: Path) -> dict[str, Any]:
    """The public facts of the snapshot in this folder."""
    facts: dict[str, Any] = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    return facts


def newest_manifest(home: Path) -> dict[str, Any]:
    """The public facts of the newest snapshot that has readable ones; none where there is none."""
    for file in sorted(home.glob("snapshots/s_*/manifest.json"), reverse=True):
        with suppress(OSError, ValueError):  # a damaged one is no reason not to load anew
            return manifest_of(file.parent)
    return {}


def new_snapshot_id(now: datetime) -> str:
    """A fresh id; ids sort by the time of their making."""
    return f"s_{now:%Y%m%dt%H%M%S%f}z_{secrets.token_hex(4)}"


@contextmanager
def loading(home: Path, keys: SecretKeys) -> Iterator[Path]:
    """Holds the dataset's loader lock and sweeps what killed loads left; yields the folder of snapshots.

    Raises LoadError if another load holds the lock. The lock goes with the process that holds it.
    """
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    snapshots = home / "snapshots"
    snapshots.mkdir(exist_ok=True, mode=0o700)
    with _alone(home):
        for leftover in snapshots.glob(f"{BUILDING_PREFIX}*"):
            keys.destroy_snapshot_key(home.name, leftover.name.removeprefix(BUILDING_PREFIX))
            shutil.rmtree(leftover)
        yield snapshots


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "load.lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LoadError(f"another load of '{home.name}' is under way") from None
        yield


def publish(home: Path, building: Path, snapshot_id: str, pointer: str = CURRENT) -> Snapshot:
    """Gives the finished folder its final name and makes it current, or waiting; durable when this returns.

    A snapshot that waited before waits no more: what it was compared with is the past.
    """
    for path in (*building.iterdir(), building):
        sync(path)
    snapshots = building.parent
    building.rename(snapshots / snapshot_id)
    sync(snapshots)
    snapshot = read_snapshot(home, snapshot_id)
    _point(home, pointer, snapshot_id)
    if pointer == CURRENT:
        (home / WAITING).unlink(missing_ok=True)
    return snapshot


def _point(home: Path, pointer: str, snapshot_id: str) -> None:
    draft = home / f".{pointer}.draft"
    draft.write_text(snapshot_id + "\n", encoding="ascii")
    sync(draft)
    draft.replace(home / pointer)
    sync(home)


def prune(home: Path, keys: SecretKeys) -> None:
    """Deletes old snapshots: the current and the waiting one, the newest other and those of ten minutes stay."""
    pointers = [home / name for name in (CURRENT, WAITING)]
    others = _others(home, *(path.read_text(encoding="ascii").strip() for path in pointers if path.is_file()))
    for path in others[: len(others) - (KEPT_SNAPSHOTS - 1)]:
        if time.time() - _made_at(path.name) > MINIMUM_AGE_SECONDS:
            _delete(home, path, keys)


def delete_others(home: Path, current_id: str, keys: SecretKeys) -> None:
    """Deletes every snapshot but the current one, whatever its age; raises OSError if one cannot be deleted.

    Workers that have one open keep their view of it until the service moves them on, and can end what they do.
    """
    (home / WAITING).unlink(missing_ok=True)
    for path in _others(home, current_id):
        _delete(home, path, keys)
    sync(home / "snapshots")


def _others(home: Path, *kept: str) -> list[Path]:
    complete = sorted(path for path in (home / "snapshots").iterdir() if _SNAPSHOT_ID.fullmatch(path.name))
    return [path for path in complete if path.name not in kept]


def _delete(home: Path, directory: Path, keys: SecretKeys) -> None:
    keys.destroy_snapshot_key(home.name, directory.name)
    shutil.rmtree(directory)


def _made_at(snapshot_id: str) -> float:
    return datetime.strptime(snapshot_id[2:23], "%Y%m%dt%H%M%S%f").replace(tzinfo=UTC).timestamp()
