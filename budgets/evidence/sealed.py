"""Signed documents: canonical JSON with its Ed25519 signature beside it.

Never to change meaning. A sealed document is one text without a byte to spare,

    {"NAME":CONTENT,"signature":{"algorithm":"Ed25519","key":KEY,"value":VALUE}}

CONTENT is canonical JSON, and its UTF-8 bytes are what is signed. Its member `type` says what it is, so that no
signature of one kind passes for another. KEY is the key's id (16 characters), VALUE the signature in base64 (88): all
that follows CONTENT has the same length in every document.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from budgets.evidence.errors import ForgedError
from budgets.ledger import canonical_json, sha256_hex

ALGORITHM: Final = "Ed25519"
_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key (RFC 8032), 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the 32 bytes."""
        return sha256_hex(self.raw)[:16]

    @property
    def base64(self) -> str:
        return base64.b64encode(self.raw).decode()

    @property
    def pem(self) -> str:
        """The key as SubjectPublicKeyInfo, as openssl reads it."""
        loaded = Ed25519PublicKey.from_public_bytes(self.raw)
        return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """The key in a PEM text, in base64, or in the answer of `GET /v1/audit/key`. Raises ForgedError for others."""
        try:
            if text.lstrip().startswith("{"):
                text = str(json.loads(text)["public_key"])
            if "BEGIN PUBLIC KEY" in text:
                loaded = load_pem_public_key(text.encode())
                if not isinstance(loaded, Ed25519PublicKey):
                    raise ForgedError("This is no Ed25519 public key.")
                return cls(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))
            raw = base64.b64decode(text.strip(), validate=True)
        except (ValueError, KeyError, TypeError) as error:
            raise ForgedError("This is no Ed25519 public key.") from error
        if len(raw) != _KEY_BYTES:
            raise ForgedError("This is no Ed25519 public key.")
        return cls(raw)

    def verifies(self, content: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature in base64, and the id of its key."""

    key: str
    value: str

    @property
    def text(self) -> str:
        return canonical_json({"algorithm": ALGORITHM, "key": self.key, "value": self.value})


@dataclass(frozen=True, slots=True)
class Sealed:
    """A signed document that was read: what it says, the bytes that were signed, and the signature."""

    content: dict[str, Any]
    signed: bytes
    signature: Signature

    def require(self, key: PublicKey) -> None:
        """Raises ForgedError unless `key` signed this."""
        value = base64.b64decode(self.signature.value)
        if self.signature.key != key.id or not key.verifies(self.signed, value):
            raise ForgedError("The signature is not that of this key over these bytes.")


class Signer(Protocol):
    """Signs bytes with the key that is in use."""

    def sign(self, content: bytes) -> Signature: ...


def seal(name: str, content: Mapping[str, object], signer: Signer) -> str:
    """The sealed document of `content`, which names its `type`."""
    text = canonical_json(content)
    return sealed_text(name, text, signer.sign(text.encode()))


def sealed_text(name: str, content: str, signature: Signature) -> str:
    return f'{{"{name}":{content},"signature":{signature.text}}}'


def unseal(text: str, name: str, kind: str) -> Sealed:
    """The parts of a sealed document of the type `kind`; the signature is not checked yet.

    Raises ForgedError unless the text is exactly as it would be written anew: then no byte of it is without meaning.
    """
    try:
        document = json.loads(text)
        content, written = document[name], document["signature"]
        signature = Signature(written["key"], written["value"])
        value = base64.b64decode(signature.value, validate=True)
        signed = canonical_json(content)
        is_exact = sealed_text(name, signed, signature) == text and base64.b64encode(value).decode() == signature.value
        is_kind = content["type"] == kind
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ForgedError(f"This is no signed {name}.") from error
    if not is_exact or not is_kind:
        raise ForgedError(f"This is no signed {name} of the type {kind}.")
    return Sealed(content, signed.encode(), signature)
