"""The last entry that a ledger had, kept outside its database: what shows that an old copy was restored."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from budgets.errors import LedgerCorruptError
from budgets.ledger import Head, canonical_json


@dataclass(frozen=True, slots=True)
class Anchor:
    """A file with the sequence number and hash of an entry; it only ever moves forward, whoever writes it."""

    path: Path

    def read(self) -> Head | None:
        """Returns the anchored entry, None if there is no anchor. Raises LedgerCorruptError if it cannot be read."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return None
        try:
            fields = json.loads(text)
            return Head(int(fields["seq"]), str(fields["hash"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerCorruptError("The anchor of the ledger cannot be read.") from error

    def advance(self, head: Head) -> None:
        """Makes `head` the anchor, durably, unless a later one stands there already."""
        with self._alone():
            present = self.read()
            if present is not None and present.seq >= head.seq:
                return
            new = self.path.with_name(self.path.name + ".new")
            with open(new, "w", opener=_private) as file:
                file.write(canonical_json(asdict(head)))
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            directory = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with open(self.path.with_name(self.path.name + ".lock"), "w", opener=_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
