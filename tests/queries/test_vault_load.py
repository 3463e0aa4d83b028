"""Loads: what is stored, what is refused, and that no value is told."""

import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from queries import vault_private, vault_tables
from queries.errors import LoadError
from queries.vault import attach_encrypted, load_encryption, load_snapshot
from tests.queries.vault_world import CARDS, LINES, POLICY, Shop, rows


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def one_line(**values: str) -> str:
    """Rows with a single line, some of its columns replaced by these expressions."""
    columns = {"card_id": "'card 1'", "product_id": "1", "day": "DATE '2026-07-01'", "pieces": "2", "amount": "3.5"}
    return "SELECT " + ", ".join(f"{value} AS {name}" for name, value in (columns | values).items())


def test_units_are_numbered_densely_in_the_order_of_their_pseudonyms(shop: Shop) -> None:
    snapshot = shop.load()
    stored = rows(shop, snapshot, "SELECT _u, pseudonym FROM vault._units ORDER BY _u")
    made = sorted(hmac.digest(shop.keys.pseudonym_key, f"card {i}".encode(), hashlib.sha256) for i in range(60))
    assert stored == list(enumerate(made))


def test_two_loads_of_the_same_rows_store_the_same_tables(shop: Shop) -> None:
    shuffled = replace(shop, lines=f"SELECT * FROM ({LINES}) ORDER BY hash(amount, day, card_id)")
    query = "SELECT rowid, * FROM vault.lines ORDER BY rowid"
    assert rows(shop, shop.load(), query) == rows(shuffled, shuffled.load(), query)


def test_rows_are_stored_clustered_by_unit_and_then_by_all_columns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_tables, "PARTITION_ROWS", 100)
    snapshot = shop.load()
    stored = rows(shop, snapshot, "SELECT * FROM vault.lines ORDER BY rowid")
    assert stored == rows(shop, snapshot, "SELECT * FROM vault.lines ORDER BY ALL")
    assert len(stored) == 1000


def test_a_table_out_of_order_is_noticed(shop: Shop) -> None:
    snapshot = shop.load()
    with duckdb.connect() as connection:
        load_encryption(connection)
        attach_encrypted(connection, snapshot.private_file, "vault", shop.keys.snapshot_key("shop", snapshot.id))
        vault_tables._check_order(connection, "lines")
        connection.execute("UPDATE vault.lines SET _u = 0 WHERE rowid = 999")
        with pytest.raises(LoadError, match="order of its units"):
            vault_tables._check_order(connection, "lines")


def test_partitions_cover_all_units_without_overlap(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault_tables, "PARTITION_ROWS", 100)
    ranges = rows(shop, shop.load(), "SELECT lo, hi FROM vault._partitions ORDER BY lo")
    assert 5 < len(ranges) <= 11
    assert [low for low, _ in ranges] == [0, *(high for _, high in ranges[:-1])]
    assert ranges[-1][1] == 60


MONTHLY = ("retention:", "blocks: {period: month, columns: {lines: day}}\nretention:")


def test_with_blocks_lines_carry_the_number_of_their_card_and_month(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_tables, "PARTITION_ROWS", 100)
    plain, monthly = shop.load(), shop.with_policy(*MONTHLY).load()
    numbered = "SELECT _u * 12 + month(day) - 1 AS _u, * EXCLUDE (_u) FROM vault.lines ORDER BY ALL"
    assert rows(shop, monthly, "SELECT * FROM vault.lines ORDER BY rowid") == rows(shop, plain, numbered)
    for same in ("cards ORDER BY rowid", "_units ORDER BY ALL", "_partitions ORDER BY ALL"):
        query = f"SELECT * FROM vault.{same}"
        assert rows(shop, monthly, query) == rows(shop, plain, query)


def test_with_blocks_the_month_is_that_of_the_day_as_it_is_stored(shop: Shop) -> None:
    for given, month in (("DATE '2026-02-28'", 1), ("DATE '2031-05-05'", 11), ("DATE '2020-05-05'", 0)):
        lines = replace(shop.with_policy(*MONTHLY).with_policy("days: 400", "days: 30000"), lines=one_line(day=given))
        query = "SELECT lines._u - 12 * (_u // 12), month(day) - 1 FROM vault.lines"
        assert rows(shop, lines.load(), query) == [(month, month)]


def test_with_blocks_the_first_month_is_that_of_all_dated_tables(shop: Shop) -> None:
    earlier = shop.with_policy(*MONTHLY).with_policy("[2026-01-01, 2026-12-31]", "[2025-11-05, 2026-12-31]")
    stored = rows(shop, earlier.load(), "SELECT DISTINCT _u % 14 - month(day) FROM vault.lines")
    assert stored == [(1,)]


def test_more_accounts_than_numbers_end_the_load(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """More months than fit were refused with the policy; a number beyond 31 bits would be another's."""
    monkeypatch.setattr(vault_private, "number_of", lambda *_: "CAST(unit_numbers._u + 2147483647::BIGINT AS INTEGER)")
    with pytest.raises(LoadError):
        shop.with_policy(*MONTHLY).load()


def test_money_is_stored_in_minor_units_and_clamped(shop: Shop) -> None:
    for given, stored in (
        ("3.5", 350),
        ("12.345::DOUBLE", 1235),
        ("-0.1::DOUBLE", -10),
        ("1e300::DOUBLE", 10_000),
        ("'-inf'::DOUBLE", -10_000),
        ("99999999999999::BIGINT", 10_000),
        ("'7.25'", 725),
        ("100.01::DECIMAL(20, 4)", 10_000),
    ):
        snapshot = replace(shop, lines=one_line(amount=given)).load()
        assert rows(shop, snapshot, "SELECT amount FROM vault.lines") == [(stored,)], given


def test_integers_and_dates_are_clamped_and_null_stays_null(shop: Shop) -> None:
    nullable = shop.with_policy("pieces: {type: integer,", "pieces: {type: integer, nullable: true,")
    query = "SELECT pieces, day::VARCHAR FROM vault.lines"
    for pieces, day, stored in (
        ("-5", "DATE '2026-01-01'", (0, "2026-01-01")),
        ("51", "DATE '2031-01-01'", (50, "2026-12-31")),
        ("NULL::INTEGER", "TIMESTAMP '2026-03-04 23:59:59'", (None, "2026-03-04")),
        ("'49'", "'2026-03-04'", (49, "2026-03-04")),
        ("49.0::DOUBLE", "TIMESTAMPTZ '2026-03-03 23:30:00-05'", (49, "2026-03-04")),
    ):
        snapshot = replace(nullable, lines=one_line(pieces=pieces, day=day)).load()
        assert rows(shop, snapshot, query) == [stored]


def test_a_text_outside_its_domain_becomes_null_and_the_domain_is_a_dictionary(shop: Shop) -> None:
    cards = "SELECT * FROM (VALUES ('card 1', '18-34'), ('card 2', '17'), ('card 3', NULL)) AS t(card_id, age)"
    snapshot = replace(shop, cards=cards).load()
    query = "SELECT age::VARCHAR FROM vault.cards ORDER BY ALL"
    assert rows(shop, snapshot, query) == [("18-34",), (None,), (None,)]
    assert rows(shop, snapshot, "SELECT typeof(age) FROM vault.cards LIMIT 1") == [("ENUM('18-34', '35-64', '65+')",)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"card_id": "NULL::VARCHAR"}, "lines.card_id is not nullable"),
        ({"pieces": "NULL::INTEGER"}, "lines.pieces is not nullable"),
        ({"pieces": "'canary'"}, "lines.pieces holds a value that is not of its type, integer"),
        ({"pieces": "2.5::DOUBLE"}, "lines.pieces holds a value that is not of its type, integer"),
        ({"amount": "'nan'::DOUBLE"}, "lines.amount holds a value that is not of its type, decimal"),
        ({"amount": "'canary'"}, "lines.amount holds a value that is not of its type, decimal"),
        ({"day": "'canary'"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "'infinity'::DATE"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "'infinity'"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "DATE '12000-01-01'"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "DATE '0001-01-01 (BC)'"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "'0000-12-31'"}, "lines.day holds a value that is not of its type, date"),
        ({"day": "17"}, "lines.day is declared as date, and its source has the type INTEGER"),
        ({"product_id": "-1"}, "lines.product_id has a negative value"),
        ({"pieces": "[1, 2]"}, "lines.pieces is declared as integer, and its source has the type"),
        ({"product_id": "'9223372036854775808'"}, "lines.product_id holds a value that is not of its type"),
    ],
)
def test_a_row_that_the_policy_does_not_allow_ends_the_load(shop: Shop, values: dict[str, str], told: str) -> None:
    with pytest.raises(LoadError) as refusal:
        replace(shop, lines=one_line(**values)).load()
    assert str(refusal.value).startswith(told)
    assert "canary" not in repr(refusal.value)
    assert refusal.value.__cause__ is None
    assert list((shop.vault / "shop" / "snapshots").glob("s_*")) == []


def test_two_rows_of_a_unit_in_a_table_unique_per_unit_end_the_load(shop: Shop) -> None:
    with pytest.raises(LoadError, match="cards is declared unique per unit"):
        replace(shop, cards=f"{CARDS} UNION ALL SELECT 'card 7', '65+'").load()


@pytest.mark.parametrize("kind", ["csv", "duckdb"])
def test_csv_parquet_and_duckdb_files_load_the_same_rows(shop: Shop, kind: str) -> None:
    query = "SELECT * FROM vault.lines ORDER BY rowid"
    assert rows(shop, replace(shop, kind=kind).load(), query) == rows(shop, shop.load(), query)


def test_sources_that_are_missing_or_too_many_are_named(shop: Shop) -> None:
    sources = shop.sources()
    for given, told in (
        ({"lines": sources["lines"]}, "no source was given for cards"),
        (sources | {"products": sources["lines"]}, "what the policy does not load: products"),
        (sources | {"lines": str(shop.root / "absent.csv")}, "the source of lines is not a file"),
        (sources | {"lines": __file__}, "neither CSV nor Parquet"),
        (sources | {"cards": sources["lines"]}, "the source of cards has no column age"),
    ):
        with pytest.raises(LoadError, match=told):
            load_snapshot(shop.vault, POLICY, given, shop.keys)


def test_rows_past_their_retention_do_not_enter_nor_do_their_units(shop: Shop) -> None:
    kept = shop.with_policy("{days: 400, column: lines.day}", "{days: 30, column: lines.day, as_of: 2026-07-01}")
    young, old = one_line(day="DATE '2026-06-01'"), one_line(card_id="'card 2'", day="DATE '2026-05-31'")
    no_cards = f"SELECT * FROM ({CARDS}) LIMIT 0"
    snapshot = replace(kept, lines=f"{young} UNION ALL {old}", cards=no_cards).load()
    assert rows(shop, snapshot, "SELECT day::VARCHAR FROM vault.lines") == [("2026-06-01",)]
    assert rows(shop, snapshot, "SELECT count(*) FROM vault._units") == [(1,)]


def test_retention_looks_at_the_day_before_it_is_clamped(shop: Shop) -> None:
    kept = shop.with_policy("{days: 400, column: lines.day}", "{days: 30, column: lines.day, as_of: 2026-01-15}")
    snapshot = replace(kept, lines=one_line(day="DATE '1999-12-31'")).load()
    assert rows(shop, snapshot, "SELECT count(*) FROM vault.lines") == [(0,)]


def test_a_dataset_without_rows_loads(shop: Shop) -> None:
    empty = replace(shop, lines=f"SELECT * FROM ({LINES}) LIMIT 0", cards=f"SELECT * FROM ({CARDS}) LIMIT 0")
    snapshot = empty.load()
    for table in ("lines", "cards", "_units", "_partitions"):
        assert rows(shop, snapshot, f"SELECT count(*) FROM vault.{table}") == [(0,)]


def test_lines_of_a_coarsened_group_show_only_the_parent(shop: Shop) -> None:
    snapshot = shop.load()
    joined = "FROM vault.lines JOIN public_vault.products USING (product_id)"
    assert rows(shop, snapshot, f"SELECT count(*) {joined} WHERE category IN ('beer', 'wine')") == [(0,)]
    by_department = rows(shop, snapshot, f"SELECT department, count(*) {joined} GROUP BY ALL ORDER BY ALL")
    assert by_department == [("bakery", 250), ("drinks", 500)]
    assert rows(shop, snapshot, "SELECT * FROM public_vault.products ORDER BY ALL") == [
        (-1, "drinks", None),
        (1, "bakery", "bread"),
        (2, "drinks", "beer"),
        (3, "drinks", None),
    ]


def test_the_originals_of_coarsened_lines_stand_in_the_hidden_columns(shop: Shop) -> None:
    query = """
        SELECT product_id, _sensitive, _original_product_id, count(*) FROM vault.lines GROUP BY ALL ORDER BY ALL
    """
    assert rows(shop, shop.load(), query) == [
        (-1, 0, 2, 250),
        (0, None, None, 250),
        (1, None, None, 250),
        (3, None, None, 250),
    ]


def test_lines_of_a_denied_group_are_marked_and_keep_their_reference(shop: Shop) -> None:
    denied = shop.with_policy("rule: coarsen\n    parent: department", "rule: deny")
    query = "SELECT product_id, _original_product_id FROM vault.lines WHERE _sensitive = 0 GROUP BY ALL"
    assert rows(shop, denied.load(), query) == [(2, None)]


def test_groups_with_one_parent_share_a_stand_in_and_the_first_group_counts(shop: Shop) -> None:
    second = """
  - {name: drinks, label: all drinks, table: products, column: category, values: [bread, beer], rule: coarsen,
     parent: department}
"""
    both = replace(shop, policy=shop.policy + second)
    query = "SELECT product_id, _sensitive, _original_product_id FROM vault.lines GROUP BY ALL ORDER BY ALL"
    assert rows(shop, both.load(), query) == [(-2, 0, 2), (-1, 1, 1), (0, None, None), (3, None, None)]


def test_no_unit_value_nor_any_other_text_of_a_row_is_readable_in_the_files(shop: Shop) -> None:
    canary = "canary-of-the-vault"
    cards = f"SELECT '{canary}' || i AS card_id, '65+' AS age FROM range(5000) AS numbers(i)"
    policy = POLICY.replace('domain: ["18-34", "35-64", "65+"]', "description: free text")
    noted = replace(shop, policy=policy, cards=cards.replace("'65+'", f"'{canary} note ' || i"))
    snapshot = noted.load()
    assert rows(shop, snapshot, "SELECT count(*) FROM vault.cards WHERE age LIKE 'canary%'") == [(5000,)]
    found = [path.name for path in shop.vault.rglob("*") if path.is_file() and canary.encode() in path.read_bytes()]
    assert found == []


def test_the_private_file_does_not_open_with_another_key_or_none(shop: Shop) -> None:
    snapshot = shop.load()
    for options in ("", f", ENCRYPTION_KEY '{'0' * 64}'"):
        with duckdb.connect() as connection:
            load_encryption(connection)
            with pytest.raises(duckdb.Error):
                connection.execute(f"ATTACH '{snapshot.private_file}' AS vault (READ_ONLY{options})")


def test_a_snapshot_is_readable_by_its_owner_only_and_holds_nothing_else(shop: Shop) -> None:
    snapshot = shop.load()
    modes = {path.name: path.stat().st_mode & 0o777 for path in snapshot.directory.iterdir()}
    assert modes == dict.fromkeys(("private.duckdb", "public.duckdb", "policy.yaml", "manifest.json"), 0o600)
    assert snapshot.directory.stat().st_mode & 0o777 == 0o700


def test_the_manifest_tells_nothing_that_depends_on_private_rows(shop: Shop) -> None:
    def manifest(lines: str) -> dict[str, object]:
        snapshot = replace(shop, lines=lines).load()
        facts: dict[str, object] = json.loads((snapshot.directory / "manifest.json").read_text(encoding="utf-8"))
        facts.pop("created")
        return facts

    assert manifest(LINES) == manifest(one_line())
    assert manifest(LINES)["public_tables"] == {"products": 4}
