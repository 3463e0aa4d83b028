"""The secret keys of a vault: 32 random bytes each, in files of mode 600 outside the data.

Each snapshot has a key of its own, made of the vault's and of random bytes in `snapshots/<dataset>/<id>.key`. When that
file is gone, nobody can read the snapshot's private rows any more, from no copy of it that was made.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from queries.errors import LoadError

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The key that those of the encrypted files are made of, and the key of the pseudonyms. Neither is ever shown."""

    directory: Path
    vault_key: str = field(repr=False)  # 64 hexadecimal digits
    pseudonym_key: bytes = field(repr=False)

    @classmethod
    def open(cls, directory: Path) -> SecretKeys:
        """The keys in `directory`; those that are missing are made. Raises LoadError if a file is unfit."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(
            directory=directory,
            vault_key=_read_or_make(directory / "vault.key"),
            pseudonym_key=bytes.fromhex(_read_or_make(directory / "pseudonym.key")),
        )

    def pseudonym(self, unit_value: str) -> bytes:
        """The keyed pseudonym of a unit: HMAC-SHA256 of its value as text."""
        return hmac.digest(self.pseudonym_key, unit_value.encode(), "sha256")

    def pseudonym_key_fingerprint(self) -> str:
        """Tells whether two snapshots were made with one pseudonym key, and nothing about the key."""
        return hashlib.sha256(b"kvitto pseudonym key fingerprint" + self.pseudonym_key).hexdigest()[:16]

    def make_snapshot_key(self, dataset: str, snapshot_id: str) -> str:
        """The key of a new snapshot's private file, durable when this returns."""
        file = self._snapshot_file(dataset, snapshot_id)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(file)
        for folder in (file.parent, *file.parents[1:3]):
            sync(folder)
        return self.snapshot_key(dataset, snapshot_id)

    def has_snapshot_key(self, dataset: str, snapshot_id: str) -> bool:
        """Tells whether the snapshot's own random bytes are there."""
        return self._snapshot_file(dataset, snapshot_id).exists()

    def snapshot_key(self, dataset: str, snapshot_id: str) -> str:
        """The key of a snapshot's private file; of one without random bytes of its own, the vault's key.

        Snapshots had none before version 0.1. Where they were destroyed, the vault's key opens nothing.
        """
        file = self._snapshot_file(dataset, snapshot_id)
        if not file.exists():
            return self.vault_key
        own = b"kvitto snapshot key" + bytes.fromhex(_read(file))
        return hmac.digest(bytes.fromhex(self.vault_key), own, "sha256").hex()

    def destroy_snapshot_key(self, dataset: str, snapshot_id: str) -> None:
        """Makes the snapshot's private file unreadable for good: the random bytes are overwritten, then deleted."""
        file = self._snapshot_file(dataset, snapshot_id)
        if not file.exists():
            return
        with file.open("r+b") as opened:
            opened.write(b"0" * file.stat().st_size)
            opened.flush()
            os.fsync(opened.fileno())
        file.unlink()
        sync(file.parent)

    def _snapshot_file(self, dataset: str, snapshot_id: str) -> Path:
        return self.directory / "snapshots" / dataset / f"{snapshot_id}.key"


def sync(path: Path) -> None:
    """Makes what was written to a file, or the names in a folder, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_or_make(path: Path) -> str:
    if not path.exists():
        _make(path)
    return _read(path)


def _read(path: Path) -> str:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise LoadError(f"the key file {path.name} can be read by others; set its mode to 600")
    text = path.read_text(encoding="ascii", errors="replace").strip()
    if not _HEX.fullmatch(text):
        raise LoadError(f"the key file {path.name} does not hold 64 hexadecimal digits")
    return text


def _make(path: Path) -> None:
    """Makes the key file whole or not at all: of two that make it at once, one wins and both read it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
