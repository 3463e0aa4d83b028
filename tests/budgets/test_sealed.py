"""A signed document can be changed nowhere, and its signature is that of the bytes it shows."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from budgets.evidence.errors import ForgedError
from budgets.evidence.sealed import PublicKey, Signature, seal, unseal
from budgets.evidence.signing import KeyRing

CONTENT = {"type": "kvitto-test-1", "number": 0.1, "text": "ä", "list": [1, None, True]}


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


def test_what_was_sealed_is_unsealed_by_the_public_key_alone(ring: KeyRing) -> None:
    sealed = unseal(seal("test", CONTENT, ring), "test", "kvitto-test-1")
    sealed.require(ring.public)
    assert sealed.content == CONTENT


def test_every_changed_byte_of_a_sealed_document_is_found(ring: KeyRing) -> None:
    text = seal("test", CONTENT, ring).encode()
    for place in range(len(text)):
        for flip in (1, 2, 16, 32, 128):
            changed = bytes([*text[:place], text[place] ^ flip, *text[place + 1 :]]).decode("utf-8", errors="replace")
            with pytest.raises(ForgedError):
                unseal(changed, "test", "kvitto-test-1").require(ring.public)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + " ",
        lambda text: text.replace(":", ": ", 1),
        lambda text: text.replace('"number":0.1', '"number":0.10'),
        lambda text: text.replace('"number":0.1', '"number":0.1,"number":0.1'),
        lambda text: text.replace("==", ""),
        lambda text: text[:-1] + ',"more":1}',
        lambda text: "[]",
        lambda text: "",
    ],
)  # fmt: skip
def test_another_text_of_the_same_meaning_is_refused(ring: KeyRing, change: object) -> None:
    assert callable(change)
    with pytest.raises(ForgedError):
        unseal(change(seal("test", CONTENT, ring)), "test", "kvitto-test-1")


def test_the_unused_bits_of_base64_carry_nothing(ring: KeyRing) -> None:
    text = seal("test", CONTENT, ring)
    value = unseal(text, "test", "kvitto-test-1").signature.value
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = value[:85] + alphabet[alphabet.index(value[85]) ^ 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(value)
    with pytest.raises(ForgedError):
        unseal(text.replace(value, other), "test", "kvitto-test-1")


def test_a_signature_of_one_kind_does_not_pass_for_another(ring: KeyRing) -> None:
    with pytest.raises(ForgedError):
        unseal(seal("test", CONTENT, ring), "test", "kvitto-other-1")
    with pytest.raises(ForgedError):
        unseal(seal("test", CONTENT, ring), "other", "kvitto-test-1")


def test_another_key_did_not_sign_it(ring: KeyRing, tmp_path: Path) -> None:
    sealed = unseal(seal("test", CONTENT, ring), "test", "kvitto-test-1")
    with pytest.raises(ForgedError):
        sealed.require(KeyRing(tmp_path / "others").public)


def test_a_key_is_read_from_pem_base64_and_the_answer_of_the_call(ring: KeyRing) -> None:
    public = ring.public
    for text in (public.pem, public.base64, f" {public.base64}\n", f'{{"public_key": "{public.base64}"}}'):
        assert PublicKey.parse(text) == public
    for text in ("", "{}", "[]", "AAAA", public.pem.replace("M", "N"), "-----BEGIN PUBLIC KEY-----"):
        with pytest.raises(ForgedError):
            PublicKey.parse(text)


def test_all_that_follows_the_content_has_one_length(ring: KeyRing) -> None:
    """So that the signed bytes can be cut out without reading JSON; the README of an export says 161."""
    for content in (CONTENT, {"type": "kvitto-test-1"}):
        text = seal("test", content, ring)
        assert text[len('{"test":') : -161].encode() == unseal(text, "test", "kvitto-test-1").signed


def test_the_signature_is_the_one_of_rfc_8032() -> None:
    """Section 7.1, test 3."""
    private = Ed25519PrivateKey.from_private_bytes(
        bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
    )
    public = PublicKey(bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"))
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert private.sign(bytes.fromhex("af82")) == signature
    assert public.verifies(bytes.fromhex("af82"), signature)
    assert not public.verifies(bytes.fromhex("af83"), signature)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_verifies_the_bytes_that_are_cut_out(ring: KeyRing, tmp_path: Path) -> None:
    text = seal("test", CONTENT, ring)
    sealed = unseal(text, "test", "kvitto-test-1")
    (tmp_path / "key.pem").write_text(ring.public.pem)
    (tmp_path / "signed").write_text(text[len('{"test":') : -161])
    (tmp_path / "value").write_bytes(base64.b64decode(sealed.signature.value))
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in signed -sigfile value"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_signature_shows_its_algorithm_key_and_value() -> None:
    assert Signature("k", "v").text == '{"algorithm":"Ed25519","key":"k","value":"v"}'
