"""How a signed receipt stands in an answer: at its end, so that all bytes before it are bound by its hash.

    PREFIX, "receipt": RECEIPT, "signature": SIGNATURE}

RECEIPT is the canonical JSON that was signed. Its `answer_sha256` is the SHA-256 of PREFIX, which is everything before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from budgets.evidence.errors import ForgedError
from budgets.evidence.sealed import Signature, Signer, sealed_text, unseal
from budgets.ledger import canonical_json, sha256_hex

RECEIPT_TYPE: Final = "kvitto-receipt-1"
_BEFORE: Final = b', "receipt": '
_BETWEEN: Final = b', "signature": '


@dataclass(frozen=True, slots=True)
class Receipted:
    """An answer taken apart: what was answered, and the sealed receipt."""

    prefix: bytes
    sealed: str


def with_receipt(answer: bytes, receipt: Mapping[str, object], signer: Signer) -> bytes:
    """The answer, a JSON object, with its receipt and the signature as last members."""
    prefix = answer.removesuffix(b"}")
    text = canonical_json({**receipt, "type": RECEIPT_TYPE, "answer_sha256": sha256_hex(prefix)}).encode()
    return prefix + _BEFORE + text + _BETWEEN + signer.sign(text).text.encode() + b"}"


def receipt_of(answer: bytes) -> Receipted | None:
    """The sealed receipt of an answer; None for what was answered before receipts were signed, and for errors.

    Raises ForgedError if the answer has a signature and is not written as it would be anew.
    """
    try:
        document = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(document, dict) or "receipt" not in document or "signature" not in document:
        return None
    try:
        receipt = canonical_json(document["receipt"])
        signature = Signature(document["signature"]["key"], document["signature"]["value"])
    except (KeyError, TypeError) as error:
        raise ForgedError("The signature of the answer cannot be read.") from error
    tail = _BEFORE + receipt.encode() + _BETWEEN + signature.text.encode() + b"}"
    # Where the receipt does not stand at the end as it was written, nothing is removed, and the hash is another.
    prefix, sealed = answer.removesuffix(tail), sealed_text("receipt", receipt, signature)
    if unseal(sealed, "receipt", RECEIPT_TYPE).content.get("answer_sha256") != sha256_hex(prefix):
        raise ForgedError("The answer is not the one that its receipt is about.")
    return Receipted(prefix, sealed)
