"""A refresh: the current snapshot anew, with retention and opt-outs as of now and nothing else changed."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from queries import vault_making, vault_refresh, vault_tables
from queries.errors import LoadError
from queries.vault import Snapshot, current_snapshot, refresh_snapshot
from queries.vault_snapshots import manifest_of
from tests.queries.vault_world import Shop, rows

TABLES = ("_units", "_partitions", "lines", "cards")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def stored(shop: Shop, snapshot: Snapshot) -> list[list[tuple[object, ...]]]:
    return [rows(shop, snapshot, f"SELECT rowid, * FROM vault.{table} ORDER BY rowid") for table in TABLES]


def types(shop: Shop, snapshot: Snapshot) -> list[tuple[object, ...]]:
    return rows(
        shop,
        snapshot,
        """
        SELECT database_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns()
        WHERE database_name IN ('vault', 'public_vault') ORDER BY ALL
        """,
    )


def test_with_nothing_to_leave_out_every_table_is_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_tables, "PARTITION_ROWS", 100)
    old = shop.load()
    new = shop.refresh()
    assert new.id != old.id
    assert current_snapshot(shop.vault, "shop") == new
    assert stored(shop, new) == stored(shop, old)
    assert types(shop, new) == types(shop, old)
    assert new.public_file.read_bytes() == old.public_file.read_bytes()
    assert (new.directory / "policy.yaml").read_bytes() == (old.directory / "policy.yaml").read_bytes()
    assert {path.name for path in new.directory.iterdir()} == {path.name for path in old.directory.iterdir()}
    assert {path.stat().st_mode & 0o777 for path in new.directory.iterdir()} == {0o600}


def test_with_blocks_the_numbers_of_accounts_and_months_are_made_anew(shop: Shop) -> None:
    monthly = shop.with_policy("retention:", "blocks: {period: month, columns: {lines: day}}\nretention:")
    old = monthly.load()
    assert stored(monthly, monthly.refresh()) == stored(monthly, old)
    monthly.exclude("card 3")
    left = monthly.refresh()
    assert rows(monthly, left, "SELECT count(*) FROM vault._units") == [(59,)]
    assert stored(monthly, left) == stored(monthly, monthly.load())


def test_a_snapshot_can_be_refreshed_again_and_again(shop: Shop) -> None:
    old = shop.load()
    shop.exclude("card 3")
    shop.refresh()
    shop.exclude("card 3", kind="withdrawal")
    assert rows(shop, shop.refresh(), "SELECT count(*) FROM vault._units") == [(59,)]
    assert stored(shop, shop.load()) == stored(shop, old)


def test_rows_that_grew_too_old_go_and_so_do_their_units(shop: Shop) -> None:
    young = "SELECT 'card 1' AS card_id, 1 AS product_id, DATE '2026-07-01' AS day, 2 AS pieces, 3.5 AS amount"
    lines = f"{young} UNION ALL SELECT 'card 2', 1, DATE '2026-06-01', 2, 3.5"
    few = replace(shop, lines=lines, cards=f"SELECT * FROM ({shop.cards}) LIMIT 0")
    few.load()
    snapshot = refresh_snapshot(shop.vault, "shop", shop.keys, as_of=date(2027, 7, 15))
    assert rows(shop, snapshot, "SELECT day FROM vault.lines") == [(date(2026, 7, 1),)]
    assert rows(shop, snapshot, "SELECT count(*) FROM vault._units") == [(1,)]
    assert manifest_of(snapshot.directory)["kept_from"] == "2026-06-10"


def test_sources_are_not_needed_nor_is_the_old_load(shop: Shop) -> None:
    shop.load()
    for file in shop.root.glob("*.parquet"):
        file.unlink()
    shop.exclude("card 1")
    assert rows(shop, shop.refresh(), "SELECT count(*) FROM vault.lines") == [(980,)]


def test_what_a_refresh_cannot_do_it_refuses(shop: Shop) -> None:
    with pytest.raises(LoadError, match="no dataset 'shop'"):
        shop.refresh()
    old = shop.load()
    (shop.root / "exclusions.db").unlink()
    (shop.root / "keys" / "pseudonym.key").unlink()
    with pytest.raises(LoadError, match="pseudonym key has changed"):
        shop.refresh()
    assert current_snapshot(shop.vault, "shop") == old


def test_a_load_that_comes_between_is_not_undone(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.load()
    new_snapshot = vault_making.new_snapshot
    made: list[Snapshot] = []

    def late(*arguments: object, **more: object) -> Snapshot:
        monkeypatch.setattr(vault_refresh, "new_snapshot", new_snapshot)
        made.append(replace(shop, lines=f"SELECT * FROM ({shop.lines}) LIMIT 900").load())
        return new_snapshot(*arguments, **more)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(vault_refresh, "new_snapshot", late)
    with pytest.raises(LoadError, match="another load came between"):
        shop.refresh()
    assert current_snapshot(shop.vault, "shop") == made[0]
