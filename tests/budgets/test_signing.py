"""The signing key is made once, kept from others, and followed by keys that it named."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from budgets.evidence.errors import SigningKeyError
from budgets.evidence.sealed import unseal
from budgets.evidence.signing import KEY_TYPE, KeyRing


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first, second = KeyRing(tmp_path / "keys"), KeyRing(tmp_path / "keys")
    assert first.public == second.public
    assert [record.public for record in first.records()] == [first.public]
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_of_many_that_make_a_key_at_once_all_have_the_same(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(KeyRing(tmp_path / "keys").public.id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert len(KeyRing(tmp_path / "keys").records()) == 1


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "signing.key").chmod(0o640)
    with pytest.raises(SigningKeyError):
        KeyRing(tmp_path / "keys")


@pytest.mark.parametrize("text", ["", "xyz", "ab" * 31, "ab" * 33])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "signing.key").write_text(text)
    with pytest.raises(SigningKeyError):
        KeyRing(tmp_path / "keys")


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "signing-keys.json").write_text('[{"key": 1}]')
    with pytest.raises(SigningKeyError):
        KeyRing(tmp_path / "keys")


def test_a_new_key_is_named_by_the_old_one_which_is_gone_afterwards(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    old, secret = ring.public, (tmp_path / "keys" / "signing.key").read_text()
    new = ring.rotate(lambda: 17)
    first, second = ring.records()
    assert (first.public, first.until_seq, first.endorsement) == (old, 17, None)
    assert (second.public, second.until_seq) == (new, None)
    assert second.endorsement is not None
    endorsement = unseal(second.endorsement, "endorsement", KEY_TYPE)
    endorsement.require(old)
    assert endorsement.content["public_key"] == new.base64
    everything = "".join(path.read_text() for path in (tmp_path / "keys").iterdir())
    assert secret.strip() not in everything
    assert ring.public == new


def test_the_head_is_read_once_the_new_key_is_in_use(tmp_path: Path) -> None:
    ring, used = KeyRing(tmp_path / "keys"), []

    def newest_seq() -> int:
        used.append(ring.public)
        return 3

    new = ring.rotate(newest_seq)
    assert used == [new]


def test_a_running_service_signs_with_a_key_that_another_process_made(tmp_path: Path) -> None:
    service, command = KeyRing(tmp_path / "keys"), KeyRing(tmp_path / "keys")
    new = command.rotate(lambda: 1)
    assert service.sign(b"x").key == new.id
    assert [record.public.id for record in service.records()][-1] == new.id


def test_while_the_key_cannot_be_read_the_one_in_memory_signs(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    (tmp_path / "keys" / "signing.key").unlink()
    assert ring.sign(b"x").key == ring.public.id


def test_no_record_holds_a_secret(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    text = json.dumps([record.document for record in ring.records()])
    assert (tmp_path / "keys" / "signing.key").read_text().strip() not in text
    assert (tmp_path / "keys" / "signing.key").read_text().strip() not in repr(ring.records())
