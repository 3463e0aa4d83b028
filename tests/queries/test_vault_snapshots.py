"""Snapshots: one is current at any time, whatever happens to a load."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from queries import vault_snapshots
from queries.errors import LoadError
from queries.vault import Snapshot, current_snapshot, datasets, load_snapshot
from tests.queries.vault_world import LINES, Shop, rows

ROOT = Path(__file__).parents[2]
COUNT = "SELECT count(*) FROM vault.lines"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def current(shop: Shop) -> Snapshot:
    snapshot = current_snapshot(shop.vault, "shop")
    assert snapshot is not None
    return snapshot


def test_a_snapshot_knows_the_day_from_which_retention_counted_back(shop: Shop) -> None:
    day = date(2026, 9, 1)
    loaded = load_snapshot(shop.vault, shop.policy, shop.sources(), shop.keys, as_of=day)
    assert loaded.as_of == current(shop).as_of == day


def test_a_load_becomes_current_and_is_listed(shop: Shop) -> None:
    assert current_snapshot(shop.vault, "shop") is None
    assert datasets(shop.vault) == ()
    snapshot = shop.load()
    assert current(shop) == snapshot
    assert datasets(shop.vault) == ("shop",)


@pytest.mark.parametrize("name", ["../shop", "", "Shop", "shop/snapshots", "absent", "_shop"])
def test_a_name_that_is_no_dataset_has_no_snapshot(shop: Shop, name: str) -> None:
    shop.load()
    assert current_snapshot(shop.vault, name) is None


def test_a_failed_load_leaves_the_old_snapshot_and_no_leftovers(shop: Shop) -> None:
    old = shop.load()
    with pytest.raises(LoadError):
        replace(shop, lines=f"{LINES} UNION ALL SELECT NULL, 1, DATE '2026-07-01', 1, 1").load()
    assert current(shop) == old
    assert rows(shop, old, COUNT) == [(1000,)]
    assert list((shop.vault / "shop" / "snapshots").iterdir()) == [old.directory]


CHILD = """
import os, signal, sys
from pathlib import Path
from queries import vault_snapshots
from queries.vault import SecretKeys, load_snapshot

root, step = Path(sys.argv[1]), sys.argv[2]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(name, share):
    if name == step:
        die()

synced = vault_snapshots.sync
calls = []

def sync(path):
    synced(path)
    calls.append(path)
    if step == str(len(calls)):
        die()

vault_snapshots.sync = sync
sources = {name: str(root / f"{name}.parquet") for name in ("lines", "cards")}
policy = (root / "policy.yaml").read_text()
load_snapshot(root / "vault", policy, sources, SecretKeys.open(root / "keys"), progress=progress)
"""


# Numbered steps are the calls that make a file or folder durable: four files, three folders and the pointer's draft.
@pytest.mark.parametrize("step", ["units", "cards", "partitions", "1", "5", "6", "7", "8"])
def test_a_load_that_is_killed_leaves_a_whole_snapshot_serving(shop: Shop, step: str) -> None:
    old = shop.load()
    new = replace(shop, lines=f"SELECT * FROM ({LINES}) LIMIT 900")
    new.sources()
    (shop.root / "policy.yaml").write_text(shop.policy, encoding="utf-8")
    child = subprocess.run([sys.executable, "-c", CHILD, str(shop.root), step], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    serving = current(shop)
    assert (serving == old) == (step != "8")
    assert rows(shop, serving, COUNT) == [(1000,) if serving == old else (900,)]
    again = new.load()
    assert rows(shop, again, COUNT) == [(900,)]
    folders, keys = shop.vault / "shop" / "snapshots", shop.root / "keys" / "snapshots" / "shop"
    assert list(folders.glob(".*")) == []
    assert {key.stem for key in keys.iterdir()} == {folder.name for folder in folders.iterdir()}


def test_two_loads_of_one_dataset_at_once_are_refused(shop: Shop) -> None:
    shop.load()
    with vault_snapshots.loading(shop.vault / "shop", shop.keys), pytest.raises(LoadError, match="another load"):
        shop.load()
    shop.load()


def test_the_newest_two_snapshots_are_kept_and_young_ones(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shop.vault / "shop" / "snapshots"
    made = [shop.load().id for _ in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == made
    now = time.time()
    monkeypatch.setattr("queries.vault_snapshots.time.time", lambda: now + 601)
    made.append(shop.load().id)
    assert sorted(path.name for path in folder.iterdir()) == made[-2:]
    assert current(shop).id == made[-1]


def test_a_damaged_snapshot_is_not_served(shop: Shop) -> None:
    snapshot = shop.load()
    vault_snapshots.read_snapshot.cache_clear()
    (snapshot.directory / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(LoadError, match="damaged"):
        current(shop)
    (shop.vault / "shop" / "current").write_text("../../elsewhere", encoding="utf-8")
    with pytest.raises(LoadError, match="damaged"):
        current(shop)


HOLDER = """
import sys, time
from pathlib import Path
from queries.vault import SecretKeys
from queries.vault_snapshots import loading

with loading(Path(sys.argv[1]), SecretKeys.open(Path(sys.argv[2]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_goes_with_its_process(shop: Shop) -> None:
    home = shop.vault / "shop"
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER,
            str(home),
            str(shop.root / "keys"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(LoadError, match="another load"):
            shop.load()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        shop.load()
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
