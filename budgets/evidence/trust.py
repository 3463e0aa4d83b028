"""Which keys may have signed what, seen from the one key that is trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from budgets.evidence.errors import ForgedError
from budgets.evidence.sealed import PublicKey, Sealed, unseal
from budgets.evidence.signing import KEY_TYPE, KeyRecord


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of an export, oldest first, each named by the one before it, and the trusted one among them."""

    records: tuple[KeyRecord, ...]

    @classmethod
    def of(cls, text: str, trusted: PublicKey) -> Trust:
        """The keys that `text`, the export's list, shows to belong to the trusted one. Raises ForgedError."""
        try:
            records = tuple(KeyRecord.of(record) for record in json.loads(text))
        except (ValueError, KeyError, TypeError) as error:
            raise ForgedError("The list of the keys cannot be read.") from error
        place = next((number for number, record in enumerate(records) if record.public == trusted), None)
        if place is None:
            raise ForgedError(
                "The export is not signed with the public key that was given, nor with one that it named."
            )
        for before, record in zip(records[place:], records[place + 1 :], strict=False):
            _require_endorsed(record, before)
        return cls(records)

    def require_newest(self, sealed: Sealed) -> None:
        """Raises ForgedError unless the newest key signed this: it vouches for the list, and so for older keys."""
        sealed.require(self.records[-1].public)

    def require(self, sealed: Sealed, seq: object) -> None:
        """Raises ForgedError unless one of the keys signed this, about entries up to `seq`, while it was in use."""
        found = self._by_id.get(sealed.signature.key)
        if found is None:
            raise ForgedError("It is signed with a key that is not listed.")
        sealed.require(found.public)
        if not isinstance(seq, int) or (found.until_seq is not None and seq > found.until_seq):
            raise ForgedError("It is signed with a key that was out of use by then.")

    @property
    def _by_id(self) -> Mapping[str, KeyRecord]:
        return {record.public.id: record for record in self.records}


def _require_endorsed(record: KeyRecord, before: KeyRecord) -> None:
    """Raises ForgedError unless the key before signed that this one follows."""
    if record.endorsement is None:
        raise ForgedError("A key has no endorsement by the one before it.")
    endorsement = unseal(record.endorsement, "endorsement", KEY_TYPE)
    endorsement.require(before.public)
    said: Any = endorsement.content.get("public_key")
    if said != record.public.base64:
        raise ForgedError("The key before named another one.")
