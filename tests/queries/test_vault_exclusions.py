"""Proofs of absence: after the next snapshot the vault holds no row of who is left out, and all rows of the others."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries import exclusion_list
from queries.errors import LoadError
from queries.exclusion_list import ExclusionList
from queries.exclusions import Kind, Level
from queries.vault import SecretKeys, Snapshot, refresh_snapshot
from tests.queries.retailer import Retailer, Statement
from tests.queries.test_planner_answers import _silence  # noqa: F401  # a fixture that is used by itself
from tests.queries.vault_world import LINES, POLICY, Shop, opened, rows

GONE, NEIGHBOUR = "card 7", "card 8"
# Baskets are no line items: they have no product, and are kept where line items are left out.
BASKETS = "SELECT card_id, day, sum(amount) AS total FROM lines_of_the_shop GROUP BY ALL"
NOTED = POLICY.replace("      pieces: {type", "      note: {type: string}\n      pieces: {type").replace(
    "  products:\n",
    """  baskets:
    visibility: private
    unit_column: card_id
    columns:
      card_id: {type: string}
      bought: {type: date}
      total: {type: decimal, scale: 2, range: ["-1000.00", "1000.00"]}
      receipt: {type: string}
  products:
""",
)
NOTED_LINES = f"SELECT *, 'canary of ' || card_id AS note FROM ({LINES})"
BASKET_ROWS = f"""
    SELECT card_id, day AS bought, sum(amount) AS total, 'receipt of ' || card_id AS receipt FROM ({LINES}) GROUP BY ALL
"""
TABLES = ("lines", "cards", "baskets")
Make = Callable[[Shop], Snapshot]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop in which every row of lines and baskets holds a text that only its card has."""
    return Shop(tmp_path, policy=NOTED, lines=NOTED_LINES, more=(("baskets", BASKET_ROWS),))


@pytest.fixture(params=[Shop.load, Shop.refresh], ids=["load", "refresh"])
def make(request: pytest.FixtureRequest) -> Make:
    """The two ways to the next snapshot: from the sources, which still hold everybody, and from the current one."""
    chosen: Make = request.param
    return chosen


def numbers_of(shop: Shop, snapshot: Snapshot, card: str) -> list[int]:
    pseudonym = shop.keys.pseudonym(card).hex()
    return [
        int(str(n))
        for (n,) in rows(shop, snapshot, f"SELECT _u FROM vault._units WHERE pseudonym = from_hex('{pseudonym}')")
    ]


def held(shop: Shop, snapshot: Snapshot, card: str) -> dict[str, int]:
    """How many rows of each table are of this card."""
    mine = ", ".join(map(str, numbers_of(shop, snapshot, card))) or "NULL"
    counts = (rows(shop, snapshot, f"SELECT count(*) FROM vault.{table} WHERE _u IN ({mine})") for table in TABLES)
    return {table: int(str(count[0][0])) for table, count in zip(TABLES, counts, strict=True)}


def by_pseudonym(shop: Shop, snapshot: Snapshot, table: str, without: str) -> list[tuple[object, ...]]:
    """The table's rows with pseudonyms in place of numbers, but for those of one card."""
    hidden = shop.keys.pseudonym(without).hex()
    return rows(
        shop,
        snapshot,
        f"""
        SELECT hex(pseudonym), kept.* EXCLUDE (_u) FROM vault.{table} AS kept JOIN vault._units USING (_u)
        WHERE pseudonym <> from_hex('{hidden}') ORDER BY ALL
        """,
    )


def plain_bytes(shop: Shop, snapshot: Snapshot) -> bytes:
    """Every table of the private file, written out again without encryption and compression."""
    file = shop.root / f"plain-{snapshot.id}.duckdb"
    with opened(snapshot, shop.keys) as connection:
        connection.execute("SET force_compression = 'uncompressed'")
        connection.execute(f"ATTACH '{file}' AS plain (STORAGE_VERSION 'v1.0.0')")
        connection.execute("COPY FROM DATABASE vault TO plain")
        connection.execute("DETACH plain")
    return file.read_bytes()


def texts_in_any_table(shop: Shop, snapshot: Snapshot, text: str) -> int:
    """How many cells of any table of the private file hold the text, whatever the tables are called."""
    found = 0
    with opened(snapshot, shop.keys) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'vault'").fetchall()
        for (table,) in tables:
            for column, *_ in connection.execute(f"DESCRIBE vault.{table}").fetchall():
                query = f"SELECT count(*) FROM vault.{table} WHERE CAST({column} AS VARCHAR) LIKE ?"
                row = connection.execute(query, [f"%{text}%"]).fetchone()
                found += row[0] if row else 0
    return found


@pytest.mark.parametrize("kind", ["opt-out", "erasure"])
def test_the_next_snapshot_holds_no_row_of_who_is_left_out(shop: Shop, make: Make, kind: Kind) -> None:
    before = shop.load()
    assert held(shop, before, GONE) == {"lines": 20, "cards": 1, "baskets": held(shop, before, GONE)["baskets"]}
    told = {table: by_pseudonym(shop, before, table, GONE) for table in TABLES}
    shop.exclude(GONE, kind=kind)
    after = make(shop)
    assert numbers_of(shop, after, GONE) == []
    assert rows(shop, after, "SELECT count(*), min(_u), max(_u) FROM vault._units") == [(59, 0, 58)]
    assert {table: by_pseudonym(shop, after, table, GONE) for table in TABLES} == told
    for table in TABLES:
        numbers = f"SELECT count(*) FROM vault.{table} WHERE _u NOT IN (SELECT _u FROM vault._units)"
        assert rows(shop, after, numbers) == [(0,)]


def test_no_text_of_who_is_left_out_is_in_any_table_or_any_byte(shop: Shop, make: Make) -> None:
    before = shop.load()
    planted = (f"canary of {GONE}", f"receipt of {GONE}")
    raw = plain_bytes(shop, before)
    assert all(texts_in_any_table(shop, before, text) and text.encode() in raw for text in planted)
    shop.exclude(GONE, kind="erasure")
    after = make(shop)
    raw = plain_bytes(shop, after)
    assert not any(texts_in_any_table(shop, after, text) or text.encode() in raw for text in planted)
    assert shop.keys.pseudonym(GONE) not in raw
    for text in (f"canary of {NEIGHBOUR}", f"receipt of {NEIGHBOUR}"):
        assert texts_in_any_table(shop, after, text)
        assert text.encode() in raw
    assert shop.keys.pseudonym(NEIGHBOUR) in raw


def test_line_items_leave_out_the_tables_declared_so_and_no_others(shop: Shop, make: Make) -> None:
    before = held(shop, shop.load(), GONE)
    shop.exclude(GONE, level="line_items")
    after = make(shop)
    assert held(shop, after, GONE) == {**before, "lines": 0}
    assert f"canary of {GONE}".encode() not in plain_bytes(shop, after)


def test_who_has_line_items_only_is_gone_without_them(shop: Shop, make: Make) -> None:
    lines_alone = replace(
        shop, cards="SELECT 'card 8' AS card_id, '65+' AS age", more=(("baskets", f"{BASKET_ROWS} LIMIT 0"),)
    )
    lines_alone.load()
    lines_alone.exclude(GONE, level="line_items")
    after = make(lines_alone)
    assert numbers_of(lines_alone, after, GONE) == []
    assert numbers_of(lines_alone, after, NEIGHBOUR) != []


def test_who_opts_in_again_is_back_with_the_next_load(shop: Shop) -> None:
    before = held(shop, shop.load(), GONE)
    shop.exclude(GONE)
    shop.load()
    shop.exclude(GONE, kind="withdrawal")
    assert held(shop, shop.load(), GONE) == before


def test_what_was_erased_is_not_back_with_the_next_load_but_what_was_bought_later_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    later = "2026-08-01T12:00:00.000000Z"
    monkeypatch.setattr(exclusion_list, "_now", lambda: later)
    snapshot = shop.load()
    days = [
        str(day)
        for (day,) in rows(shop, snapshot, f"SELECT day FROM vault.lines WHERE note = 'canary of {GONE}' ORDER BY day")
    ]
    assert days[0] < later[:10] < days[-1]
    shop.exclude(GONE, kind="erasure")
    shop.exclude(GONE, kind="withdrawal")
    after = make(shop)
    kept = rows(shop, after, f"SELECT day FROM vault.lines WHERE note = 'canary of {GONE}' ORDER BY day")
    assert [str(day) for (day,) in kept] == [day for day in days if day > later[:10]]
    assert held(shop, after, GONE)["cards"] == held(shop, after, GONE)["baskets"] == 0


def test_a_day_before_its_range_is_no_later_purchase(shop: Shop, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    monkeypatch.setattr(exclusion_list, "_now", lambda: "2025-12-30T12:00:00.000000Z")
    clamped = f"""
        SELECT * REPLACE (CASE WHEN card_id = '{GONE}' THEN DATE '2025-12-01' ELSE day END AS day) FROM ({NOTED_LINES})
    """
    early = replace(shop, lines=clamped)
    assert set(rows(early, early.load(), f"SELECT day FROM vault.lines WHERE note = 'canary of {GONE}'")) == {
        (date(2026, 1, 1),)
    }
    early.exclude(GONE, kind="erasure")
    early.exclude(GONE, kind="withdrawal")
    assert held(early, make(early), GONE)["lines"] == 0


def test_rows_that_are_left_out_end_no_load(shop: Shop) -> None:
    spoilt = f"""
        SELECT card_id, product_id, CASE WHEN card_id = '{GONE}' THEN 'soon' ELSE day::VARCHAR END AS day,
               CASE WHEN card_id = '{GONE}' THEN 'many' ELSE pieces::VARCHAR END AS pieces, amount, note
        FROM ({NOTED_LINES})
    """
    twice = f"{shop.cards} UNION ALL SELECT '{GONE}', '65+'"
    for bad in (replace(shop, lines=spoilt), replace(shop, cards=twice)):
        with pytest.raises(LoadError):
            bad.load()
    shop.exclude(GONE)
    for good in (replace(shop, lines=spoilt), replace(shop, cards=twice)):
        assert rows(shop, good.load(), "SELECT count(*) FROM vault.lines") == [(980,)]


def test_ids_that_are_integers_are_left_out_as_well(tmp_path: Path, make: Make) -> None:
    policy = POLICY.replace("card_id: {type: string}", "card_id: {type: integer}")
    numbered = "SELECT * REPLACE (card_id[6:]::INTEGER AS card_id) FROM ({})"
    base = Shop(tmp_path)
    shop = replace(base, policy=policy, lines=numbered.format(base.lines), cards=numbered.format(base.cards))
    shop.load()
    shop.exclude("7")
    snapshot = make(shop)
    assert rows(shop, snapshot, "SELECT count(*) FROM vault._units") == [(59,)]
    assert rows(shop, snapshot, "SELECT count(*) FROM vault.lines") == [(980,)]


def test_exclusions_of_one_dataset_are_not_those_of_another(shop: Shop, make: Make) -> None:
    shop.load()
    with closing(shop.exclusions()) as listed:
        listed.record(exclusion_list.Asked("other", "all", "erasure", "maria", "asked for it"), [GONE])
    assert held(shop, make(shop), GONE)["lines"] == 20


def everything(shop: Shop, snapshot: Snapshot) -> dict[str, list[tuple[object, ...]]]:
    """All tables of the private file, as they are stored."""
    names = ("_units", "_partitions", *TABLES)
    return {name: rows(shop, snapshot, f"SELECT rowid, * FROM vault.{name} ORDER BY rowid") for name in names}


CARDS = st.sampled_from([f"card {i}" for i in range(60)])
ASKED = st.lists(
    st.tuples(st.lists(CARDS, min_size=1, max_size=12), st.sampled_from(["all", "line_items"])), min_size=1, max_size=3
)


@settings(max_examples=12)
@given(asked=ASKED)
def test_a_snapshot_without_them_is_one_of_sources_without_their_rows(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[list[str], Level]]
) -> None:
    """Loaded or refreshed, to the last number: so for the others nothing tells whether somebody is left out."""
    root = tmp_path_factory.mktemp("shop")
    shop = Shop(root / "one", policy=NOTED, lines=NOTED_LINES, more=(("baskets", BASKET_ROWS),))
    (root / "one").mkdir()
    shop.load()
    for cards, level in asked:
        shop.exclude(*cards, level=level)
    refreshed, loaded = everything(shop, shop.refresh()), everything(shop, shop.load())
    lines = ", ".join(f"'{card}'" for cards, _ in asked for card in cards)
    everywhere = ", ".join(f"'{card}'" for cards, level in asked for card in cards if level == "all") or "''"
    where = "SELECT * FROM ({}) WHERE card_id NOT IN ({})"
    filtered = replace(
        shop,
        root=root / "two",
        lines=where.format(shop.lines, lines),
        cards=where.format(shop.cards, everywhere),
        more=(("baskets", where.format(BASKET_ROWS, everywhere)),),
    )
    (root / "two").mkdir()
    (root / "one" / "keys").rename(root / "two" / "keys")
    expected = everything(filtered, filtered.load())
    assert loaded == expected
    assert refreshed == expected


EXACT = (
    "SELECT department, SUM(pieces) AS pieces, COUNT(*) AS n FROM lines JOIN products USING (product_id) GROUP BY 1",
    "SELECT age, COUNT(DISTINCT household_id) AS homes FROM customers GROUP BY age",
    "SELECT COUNT(DISTINCT household_id) AS homes FROM lines JOIN customers USING (household_id) WHERE members > 1",
)


@pytest.mark.parametrize("level", ["all", "line_items"])
def test_exact_answers_change_as_if_the_rows_had_never_been(tmp_path: Path, level: Level) -> None:
    world = Retailer(tmp_path)
    keys = SecretKeys.open(tmp_path / "keys")
    asked = [Statement(sql, sql) for sql in EXACT]

    def answers() -> list[object]:
        return [sorted(world.answer(statement), key=repr) for statement in asked]

    try:
        before = answers()
        with closing(ExclusionList(tmp_path / "exclusions.db", keys)) as listed:
            listed.record(exclusion_list.Asked("retailer", level, "opt-out", "maria", "asked for it"), ["h3", "h20"])
        assert answers() == before
        world.move_on(refresh_snapshot(tmp_path / "vault", "retailer", keys), keys)
        for table in ("lines", "customers") if level == "all" else ("lines",):
            world.plain.execute(f"DELETE FROM {table} WHERE household_id IN ('h3', 'h20')")
        after = answers()
        assert after != before
        for statement, found in zip(asked, after, strict=True):
            assert found == sorted(world.oracle(statement), key=repr)
    finally:
        world.close()
