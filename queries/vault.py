"""The vault: keys, snapshots on disk, and the load of a new one. See the modules named below for each part."""

from __future__ import annotations

from queries.vault_encryption import attach_encrypted, extension_file, load_encryption
from queries.vault_keys import SecretKeys
from queries.vault_load import load_snapshot
from queries.vault_refresh import refresh_snapshot
from queries.vault_snapshots import (
    Snapshot,
    current_snapshot,
    datasets,
    private_key,
    readable_current,
    serve_waiting,
    waiting_datasets,
    waiting_snapshot,
)

__all__ = [
    "SecretKeys",
    "Snapshot",
    "attach_encrypted",
    "current_snapshot",
    "datasets",
    "extension_file",
    "load_encryption",
    "load_snapshot",
    "private_key",
    "readable_current",
    "refresh_snapshot",
    "serve_waiting",
    "waiting_datasets",
    "waiting_snapshot",
]
