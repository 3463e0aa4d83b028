"""The service's signing key, made once in the keys directory, and the record of all that were in use.

Only the key in use is kept: with a rotation its predecessor is gone, after it has signed its successor. So who trusts
one key can follow to those after it, and the newest vouches in an export for those before it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from budgets.evidence.errors import SigningKeyError
from budgets.evidence.sealed import PublicKey, Signature, seal
from budgets.ledger import canonical_json

KEY_TYPE: Final = "kvitto-key-1"
_KEY_FILE: Final = "signing.key"
_RECORD_FILE: Final = "signing-keys.json"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key that is or was in use; nothing that it signs is about entries behind `until_seq`.

    `endorsement` is the sealed document with which the key before it named this one; None for the first.
    """

    public: PublicKey
    made_at: str
    until_seq: int | None
    endorsement: str | None

    @property
    def document(self) -> dict[str, object]:
        return {
            "key": self.public.id,
            "public_key": self.public.base64,
            "made_at": self.made_at,
            "until_seq": self.until_seq,
            "endorsement": None if self.endorsement is None else json.loads(self.endorsement),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> KeyRecord:
        """Raises KeyError, TypeError or ValueError if it is no record of a key."""
        endorsement = document["endorsement"]
        return cls(
            PublicKey(base64.b64decode(document["public_key"], validate=True)),
            str(document["made_at"]),
            document["until_seq"],
            None if endorsement is None else canonical_json(endorsement),
        )


class KeyRing:
    """Signs with the key in use; notices by itself that another process has made a new one. Safe for threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._file.exists():
            self._make_first()
        self._read: tuple[tuple[int, int], Ed25519PrivateKey, PublicKey] = self._load()
        self.records()

    @property
    def public(self) -> PublicKey:
        """The key in use."""
        return self._current()[1]

    def sign(self, content: bytes) -> Signature:
        private, public = self._current()
        return Signature(public.id, base64.b64encode(private.sign(content)).decode())

    def records(self) -> tuple[KeyRecord, ...]:
        """All keys, oldest first; the last one is in use."""
        with self._alone():
            found = self._recorded()
            if not any(record.public == self.public for record in found):
                found = (*found, KeyRecord(self.public, _now(), None, None))
                self._record(found)
        return found

    def rotate(self, newest_seq: Callable[[], int]) -> PublicKey:
        """Makes a new key and forgets the old one.

        `newest_seq` reads the ledger's head once the new one is in use: what the old one has signed until then is about
        entries up to it.
        """
        self.records()
        with self._alone():
            old, private = self._recorded(), Ed25519PrivateKey.generate()
            public, made_at = _public(private), _now()
            content = {"type": KEY_TYPE, "key": public.id, "public_key": public.base64, "made_at": made_at}
            new = KeyRecord(public, made_at, None, seal("endorsement", content, self))
            self._record((*old, new))
            _write(self._file, private.private_bytes_raw().hex() + "\n")
            self._record((*old[:-1], replace(old[-1], until_seq=newest_seq()), new))
        return public

    @property
    def _file(self) -> Path:
        return self._directory / _KEY_FILE

    def _make_first(self) -> None:
        """Made whole or not at all: of two processes that make it at once, one wins and both read it."""
        draft = self._directory / f".{_KEY_FILE}.{secrets.token_hex(8)}"
        _write(draft, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, self._file)
        draft.unlink()

    def _current(self) -> tuple[Ed25519PrivateKey, PublicKey]:
        with contextlib.suppress(OSError):  # what was read before still signs while the volume is away
            if _version(self._file) != self._read[0]:
                self._read = self._load()
        return self._read[1:]

    def _load(self) -> tuple[tuple[int, int], Ed25519PrivateKey, PublicKey]:
        version, text = _version(self._file), self._file.read_text(encoding="ascii", errors="replace").strip()
        if stat.S_IMODE(self._file.stat().st_mode) & 0o077:
            raise SigningKeyError(f"The key file {_KEY_FILE} can be read by others; set its mode to 600.")
        try:
            private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
        except ValueError as error:
            raise SigningKeyError(f"The key file {_KEY_FILE} does not hold 64 hexadecimal digits.") from error
        return version, private, _public(private)

    def _recorded(self) -> tuple[KeyRecord, ...]:
        try:
            text = (self._directory / _RECORD_FILE).read_text(encoding="ascii")
            return tuple(KeyRecord.of(record) for record in json.loads(text))
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError) as error:
            raise SigningKeyError(f"The record of the signing keys, {_RECORD_FILE}, cannot be read.") from error

    def _record(self, records: tuple[KeyRecord, ...]) -> None:
        _write(self._directory / _RECORD_FILE, canonical_json([record.document for record in records]))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with open(self._directory / f".{_RECORD_FILE}.lock", "w", opener=_private_file) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _public(private: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def _version(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def _write(path: Path, text: str) -> None:
    """Replaces the file at once and durably; only its owner may read it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with open(draft, "w", encoding="ascii", opener=_private_file) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _private_file(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
