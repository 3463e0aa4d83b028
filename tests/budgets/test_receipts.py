"""A receipt in an answer is bound to every byte of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from budgets.evidence.errors import ForgedError
from budgets.evidence.receipts import RECEIPT_TYPE, receipt_of, with_receipt
from budgets.evidence.sealed import unseal
from budgets.evidence.signing import KeyRing

ANSWER = '{"id": "q_a", "rows": [{"n": 12, "ort": "Åbo", "x": ", \\"receipt\\": 1}"}]}'.encode()


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def test_an_answer_keeps_its_bytes_and_gets_two_members(ring: KeyRing) -> None:
    signed = with_receipt(ANSWER, {"query_id": "q_a"}, ring)
    assert signed.startswith(ANSWER[:-1])
    assert list(json.loads(signed)) == ["id", "rows", "receipt", "signature"]
    found = receipt_of(signed)
    assert found is not None
    assert found.prefix == ANSWER[:-1]
    unseal(found.sealed, "receipt", RECEIPT_TYPE).require(ring.public)


def test_every_changed_byte_of_an_answer_is_found(ring: KeyRing) -> None:
    signed = with_receipt(ANSWER, {"query_id": "q_a"}, ring)
    for place in range(len(signed)):
        changed = bytes([*signed[:place], signed[place] ^ 1, *signed[place + 1 :]])
        try:
            found = receipt_of(changed)
        except ForgedError:
            continue
        if found is not None:
            with pytest.raises(ForgedError):
                unseal(found.sealed, "receipt", RECEIPT_TYPE).require(ring.public)


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b'{"receipt": {}}', b'{"receipt": {}, "rows": []}', b"\xff"])
def test_what_has_no_signature_has_no_sealed_receipt(answer: bytes) -> None:
    assert receipt_of(answer) is None


@pytest.mark.parametrize("signature", ["null", "1", "{}", '{"key": "x"}', '{"key": 1, "value": 2}'])
def test_a_signature_that_is_none_is_forged(signature: str) -> None:
    with pytest.raises(ForgedError):
        receipt_of(f'{{"receipt": {{}}, "signature": {signature}}}'.encode())


def test_the_receipt_of_another_answer_is_forged(ring: KeyRing) -> None:
    one, two = (with_receipt(ANSWER.replace(b"12", n), {}, ring) for n in (b"12", b"13"))
    start = one.index(b', "receipt": {')
    with pytest.raises(ForgedError):
        receipt_of(two[:start] + one[start:])
