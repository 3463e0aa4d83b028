"""Secret keys: made once, kept to their owner, and never shown."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from queries.errors import LoadError
from queries.vault import SecretKeys


def test_keys_are_made_once_and_read_by_their_owner_only(tmp_path: Path) -> None:
    keys = SecretKeys.open(tmp_path / "keys")
    assert SecretKeys.open(tmp_path / "keys") == keys
    assert len(bytes.fromhex(keys.vault_key)) == len(keys.pseudonym_key) == 32
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {
        "vault.key": 0o600,
        "pseudonym.key": 0o600,
    }


def test_two_that_open_at_once_read_the_same_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: SecretKeys.open(tmp_path), range(16)))
    assert len({keys.vault_key for keys in opened}) == 1


def test_keys_are_not_shown(tmp_path: Path) -> None:
    keys = SecretKeys.open(tmp_path)
    assert keys.vault_key not in repr(keys)
    assert keys.pseudonym_key.hex() not in repr(keys)
    assert keys.pseudonym_key.hex()[:16] != keys.pseudonym_key_fingerprint()


def test_a_key_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    SecretKeys.open(tmp_path)
    (tmp_path / "vault.key").chmod(0o644)
    with pytest.raises(LoadError, match="can be read by others"):
        SecretKeys.open(tmp_path)
    (tmp_path / "vault.key").chmod(0o600)
    (tmp_path / "vault.key").write_text("0" * 63, encoding="ascii")
    with pytest.raises(LoadError, match="64 hexadecimal digits"):
        SecretKeys.open(tmp_path)
