"""What becomes of old snapshots, their keys and their copies; and that nothing tells whether somebody is left out."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from queries.errors import ExclusionListError, LoadError
from queries.exclusions import Kind
from queries.vault import attach_encrypted, load_encryption, load_snapshot, private_key
from queries.vault_snapshots import read_snapshot
from tests.queries.vault_world import POLICY, Shop, opened, rows


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def snapshots_of(shop: Shop) -> set[str]:
    return {path.name for path in (shop.vault / "shop" / "snapshots").iterdir()}


def keys_of(shop: Shop) -> set[str]:
    return {path.stem for path in (shop.root / "keys" / "snapshots" / "shop").iterdir()}


@pytest.mark.parametrize("step", [Shop.load, Shop.refresh], ids=["load", "refresh"])
@pytest.mark.parametrize("kind", ["opt-out", "erasure"])
def test_an_erasure_deletes_older_snapshots_at_once_and_an_opt_out_leaves_them(
    shop: Shop, step: object, kind: Kind
) -> None:
    older = {shop.load().id, shop.load().id}
    shop.exclude("card 1", kind=kind)
    new = step(shop).id  # type: ignore[operator]  # one of the two above
    assert snapshots_of(shop) == keys_of(shop) == {new} | (older if kind == "opt-out" else set())
    assert shop.load().id in snapshots_of(shop)
    assert new in snapshots_of(shop), "an erasure that was carried out is not carried out again"


def test_a_copy_of_an_erased_snapshot_cannot_be_read_with_all_keys_that_are_left(shop: Shop) -> None:
    old = shop.load()
    copy = shop.root / "backup.duckdb"
    shutil.copyfile(old.private_file, copy)
    left = shop.keys.snapshot_key("shop", old.id)

    def readable(key: str) -> bool:
        with duckdb.connect() as connection:
            load_encryption(connection)
            try:
                attach_encrypted(connection, copy, "vault", key, ", READ_ONLY")
            except duckdb.Error:
                return False
            return connection.execute("SELECT count(*) FROM vault.lines").fetchone() == (1000,)

    assert readable(left)
    shop.exclude("card 1", kind="erasure")
    new = shop.refresh()
    found = [shop.keys.vault_key, *(shop.keys.snapshot_key("shop", each) for each in (old.id, new.id))]
    assert left not in found
    assert not any(readable(key) for key in found)


def test_each_snapshot_has_a_key_of_its_own(shop: Shop) -> None:
    ids = [shop.load().id, shop.refresh().id]
    keys = {shop.keys.snapshot_key("shop", each) for each in ids}
    assert len(keys | {shop.keys.vault_key}) == 3
    for file in (shop.root / "keys").rglob("*.key"):
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_snapshot_whose_key_is_gone_says_so(shop: Shop) -> None:
    """The vault's key stands in for those of snapshots from before, and is none of a newer one's."""
    snapshot = shop.load()
    assert private_key(snapshot, shop.keys) == shop.keys.snapshot_key("shop", snapshot.id)
    older = replace(snapshot, id="20260101T000000Z-0001", has_own_key=False)
    assert private_key(older, shop.keys) == shop.keys.vault_key
    (shop.root / "keys" / "snapshots" / "shop" / f"{snapshot.id}.key").unlink()
    with pytest.raises(LoadError, match=f"{snapshot.id}.key, is missing"):
        private_key(snapshot, shop.keys)
    with pytest.raises(LoadError, match="is missing"):
        shop.refresh()


def test_a_snapshot_in_use_is_read_to_the_end_while_it_is_deleted(shop: Shop) -> None:
    old = shop.load()
    with opened(old, shop.keys) as connection:
        shop.exclude("card 1", kind="erasure")
        shop.refresh()
        assert not old.directory.exists()
        assert connection.execute("SELECT count(*), sum(amount) FROM vault.lines").fetchone() == (1000, 2495000)


def test_an_erasure_is_done_only_when_the_last_old_file_is_gone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    old = shop.load()
    shop.exclude("card 1", kind="erasure")
    real = shutil.rmtree

    def stuck(path: Path, *more: object, **options: object) -> None:
        if Path(path) == old.directory:
            raise PermissionError
        real(path, *more, **options)  # type: ignore[arg-type]  # as they came

    with monkeypatch.context() as patch:
        patch.setattr("queries.vault_snapshots.shutil.rmtree", stuck)
        with pytest.raises(LoadError, match="the new snapshot serves, but an older one could not be deleted"):
            shop.refresh()
    assert old.directory.exists()
    assert keys_of(shop) == snapshots_of(shop) - {old.id}, "its key is gone all the same"
    new = shop.refresh()
    assert snapshots_of(shop) == {new.id}


def test_a_failed_load_leaves_no_key(shop: Shop) -> None:
    shop.load()
    before = keys_of(shop)
    with pytest.raises(LoadError):
        replace(shop, lines=f"{shop.lines} UNION ALL SELECT NULL, 1, DATE '2026-07-01', 1, 1").load()
    assert keys_of(shop) == before


def test_keys_of_snapshots_that_are_pruned_go_with_them(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        shop.load()
    now = time.time()
    monkeypatch.setattr("queries.vault_snapshots.time.time", lambda: now + 601)
    shop.load()
    assert keys_of(shop) == snapshots_of(shop)
    assert len(keys_of(shop)) == 2


def test_a_snapshot_without_a_key_of_its_own_is_read_with_the_vaults(shop: Shop) -> None:
    """As those that were made before snapshots had keys of their own."""
    snapshot = shop.load()
    older = shop.root / "older.duckdb"
    with opened(snapshot, shop.keys) as connection:
        attach_encrypted(connection, older, "older", shop.keys.vault_key)
        connection.execute("COPY FROM DATABASE vault TO older")
        connection.execute("DETACH older")
    older.replace(snapshot.private_file)
    shop.keys.destroy_snapshot_key("shop", snapshot.id)
    manifest = snapshot.directory / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    del facts["exclusion_list"]
    manifest.write_text(json.dumps(facts), encoding="utf-8")
    read_snapshot.cache_clear()
    assert rows(shop, snapshot, "SELECT count(*) FROM vault.lines") == [(1000,)]
    assert rows(shop, shop.refresh(), "SELECT count(*) FROM vault.lines") == [(1000,)]


def test_nothing_that_is_told_depends_on_who_is_left_out(tmp_path: Path) -> None:
    """Progress, manifest, files and names of a load, with nobody left out and with fifty."""

    def told(root: Path, cards: tuple[str, ...]) -> object:
        root.mkdir()
        shop, steps = Shop(root), list[tuple[str, float]]()
        shop.load()
        if cards:
            shop.exclude(*cards)
        snapshot = load_snapshot(
            shop.vault, shop.policy, shop.sources(), shop.keys, progress=lambda *step: steps.append(step)
        )
        facts = json.loads((snapshot.directory / "manifest.json").read_text(encoding="utf-8"))
        for random in ("created", "exclusion_list", "pseudonym_key_fingerprint"):
            facts.pop(random)
        return steps, facts, sorted(path.name for path in snapshot.directory.iterdir()), len(snapshot.id)

    nobody = told(tmp_path / "one", ())
    assert nobody == told(tmp_path / "two", tuple(f"card {i}" for i in range(50)))
    assert nobody == told(tmp_path / "three", ("nobody's card",))


def move(old: Path, new: Path) -> None:
    """Moves a database with what SQLite keeps beside it."""
    for end in ("", "-wal", "-shm"):
        if Path(f"{old}{end}").exists():
            Path(f"{old}{end}").rename(f"{new}{end}")


def test_without_the_list_that_the_last_snapshot_was_made_with_nothing_is_loaded(shop: Shop) -> None:
    shop.load()
    shop.exclude("card 1")
    file, backup = shop.root / "exclusions.db", shop.root / "backup.db"
    move(file, backup)
    for is_new in (False, True):  # a list that somebody makes meanwhile is not the old one
        for step in (shop.load, shop.refresh):
            with pytest.raises(ExclusionListError, match="restore it from its backup"):
                step()
        assert file.exists() == is_new, "a refusal makes no list"
        shop.exclusions().close()
    move(backup, file)
    assert rows(shop, shop.load(), "SELECT count(*) FROM vault._units") == [(59,)]


def test_opt_outs_that_cannot_be_honoured_end_the_load(shop: Shop) -> None:
    old = shop.load()
    shop.exclude("card 1", level="line_items")
    without = replace(shop, policy=POLICY.replace("    line_items: true\n", ""))
    with pytest.raises(ExclusionListError, match="declares no table of line items"):
        without.load()
    (shop.vault / "shop" / "optouts.json").write_text("[]", encoding="utf-8")
    with pytest.raises(ExclusionListError, match=r"optouts\.json is not read any more"):
        shop.load()
    (shop.vault / "shop" / "optouts.json").unlink()
    (shop.root / "keys" / "pseudonym.key").unlink()
    with pytest.raises(ExclusionListError, match="pseudonym key has changed"):
        shop.load()
    assert snapshots_of(shop) == {old.id}
