"""The last entry that a ledger had, kept outside its database: what shows that an old copy was restored.

The file has two places of a fixed size, far enough apart that no block of a disk holds both. They are written in turn,
each with a checksum: whatever moment the power goes, the place that was not being written stands. So moving on takes
one write in place and one sync of the data, which is a fraction of what a new file and a rename take.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from budgets.errors import LedgerCorruptError
from budgets.ledger import Head, canonical_json, sha256_hex

_PLACE_BYTES: Final = 4096
_PLACES: Final = 2


@dataclass(frozen=True, slots=True)
class Anchor:
    """A file with the sequence number and hash of an entry; it only ever moves forward, whoever writes it."""

    path: Path

    def read(self) -> Head | None:
        """Returns the anchored entry, None if there is no anchor. Raises LedgerCorruptError if it cannot be read."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        found = _in_one_piece(content) or max(_in_places(content).values(), key=lambda head: head.seq, default=None)
        if found is None:
            raise LedgerCorruptError("The anchor of the ledger cannot be read.")
        return found

    def advance(self, head: Head) -> None:
        """Makes `head` the anchor, durably, unless a later one stands there already."""
        with self._alone():
            try:
                file = os.open(self.path, os.O_RDWR)
            except FileNotFoundError:
                self._create(head)
                return
            try:
                content = os.pread(file, _PLACES * _PLACE_BYTES, 0)
                if _in_one_piece(content) is None:
                    _write_next(file, content, head)
                    return
            finally:
                os.close(file)
            present = self.read()
            self._create(max(present or head, head, key=lambda each: each.seq))

    def _create(self, head: Head) -> None:
        """Puts a file with both places in the place of none, or of one as versions before wrote it."""
        new = self.path.with_name(self.path.name + ".new")
        with open(new, "wb", opener=_private) as file:
            file.write(_place(head) * _PLACES)
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
        lock = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _write_next(file: int, content: bytes, head: Head) -> None:
    """Writes the place that does not hold the latest entry, and waits for the disk also where nothing is to be written.

    For what stands there may be of a process that was killed before it had waited. Where the disk refuses, the place is
    emptied, so that nobody takes what is in memory alone for what is on disk.
    """
    places = _in_places(content)
    if not places:
        raise LedgerCorruptError("The anchor of the ledger cannot be read.")
    latest = max(places, key=lambda number: places[number].seq)
    at = (latest + 1) % _PLACES * _PLACE_BYTES
    moves = places[latest].seq < head.seq
    if moves:
        _write(file, _place(head), at)
    try:
        os.fdatasync(file)
    except OSError:
        if moves:
            _write(file, b"\n" * _PLACE_BYTES, at)
        raise


def _write(file: int, content: bytes, at: int) -> None:
    if os.pwrite(file, content, at) != len(content):
        raise OSError("The anchor was written in part only.")


def _place(head: Head) -> bytes:
    """One place: a line of JSON with the checksum of its entry, filled up with spaces."""
    fields = asdict(head)
    line = canonical_json({"check": sha256_hex(canonical_json(fields).encode()), **fields})
    return line.encode().ljust(_PLACE_BYTES - 1) + b"\n"


def _in_places(content: bytes) -> dict[int, Head]:
    """The entries of the places that are whole, by number."""
    pieces = {number: content[number * _PLACE_BYTES : (number + 1) * _PLACE_BYTES] for number in range(_PLACES)}
    entries = {number: _entry(piece) for number, piece in pieces.items()}
    return {number: head for number, head in entries.items() if head is not None and _place(head) == pieces[number]}


def _in_one_piece(content: bytes) -> Head | None:
    """The entry of an anchor as versions before wrote it: one JSON object without a checksum."""
    return None if b'"check"' in content else _entry(content)


def _entry(text: bytes) -> Head | None:
    try:
        fields = json.loads(text)
        return Head(int(fields["seq"]), str(fields["hash"]))
    except (ValueError, KeyError, TypeError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
