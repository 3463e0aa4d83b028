"""The datasets that are served: the current snapshot of each, read again when a load has moved the pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from queries import vault
from queries.policy import Policy


class CurrentSnapshot(Protocol):
    """What the service shows of a snapshot."""

    @property
    def dataset(self) -> str: ...

    @property
    def id(self) -> str: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def created(self) -> str: ...


class WaitingSnapshot(CurrentSnapshot, Protocol):
    """A snapshot that does not serve yet."""

    @property
    def policy_digest(self) -> str: ...


class Catalogue(Protocol):
    """Names and current snapshots of all datasets."""

    def names(self) -> tuple[str, ...]: ...

    def snapshot(self, dataset: str) -> CurrentSnapshot | None: ...

    def waiting(self, dataset: str) -> WaitingSnapshot | None: ...


class VaultCatalogue:
    """The datasets of one vault directory; a snapshot is read once, and again when another one became current."""

    def __init__(self, vault_root: Path) -> None:
        self._vault_root = vault_root
        self._read: dict[str, tuple[str, vault.Snapshot]] = {}

    def names(self) -> tuple[str, ...]:
        """The datasets in the vault, sorted."""
        return tuple(sorted(vault.datasets(self._vault_root)))

    def snapshot(self, dataset: str) -> vault.Snapshot | None:
        """The current snapshot of a dataset, or None where there is none."""
        if dataset not in self.names():
            return None
        pointer = (self._vault_root / dataset / "current").read_text()
        known = self._read.get(dataset)
        if known is not None and known[0] == pointer:
            return known[1]
        snapshot = vault.current_snapshot(self._vault_root, dataset)
        if snapshot is not None:
            self._read[dataset] = (pointer, snapshot)
        return snapshot

    def waiting(self, dataset: str) -> vault.Snapshot | None:
        """The newest snapshot of a dataset, if its policy waits for approvals."""
        return vault.waiting_snapshot(self._vault_root, dataset)
