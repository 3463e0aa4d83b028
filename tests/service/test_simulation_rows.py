"""Made-up rows obey any policy: the loader takes all of them, and they look like purchases."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pytest

from queries.policy import Policy, load_policy
from queries.vault import SecretKeys, Snapshot, load_snapshot
from service.demo import demo_policy
from service.simulation.rows import last_day, write_rows
from service.simulation.shape import Shape, shape_of
from service.synth import synthetic_policy
from tests.queries.retailer import POLICY_TEXT as RETAILER
from tests.queries.vault_world import POLICY as SHOP
from tests.queries.vault_world import opened
from tests.service.fakes import POLICY_TEXT as FAKE

POLICIES = Path(__file__).parents[1] / "sql" / "policy" / "valid"
ODD = """
dataset: odd
title: Columns of every kind
unit: {name: person, label: a person}
max_units: 300
budget: {epsilon: 1, delta: 1e-6, delta_for_thresholds: 0}
query: {default_epsilon: 1, max_epsilon: 1}
tables:
  events:
    visibility: private
    unit_column: person
    columns:
      person: {type: string}
      at: {type: date}
      until: {type: date, nullable: true, range: [1990-01-01, 2030-01-01]}
      place: {type: string, references: places.name}
      rate: {type: decimal, scale: 3, references: rates.rate}
      born: {type: date, references: days.day}
      open: {type: boolean, references: flags.flag}
      nowhere: {type: integer, references: empty.id}
      debt: {type: decimal, scale: 2, range: ["-500.00", "-10.00"]}
      height: {type: integer, range: [140, 220]}
      step: {type: decimal, scale: 1, domain: ["0.5", "1.5", "-2"]}
      grade: {type: integer, nullable: true, domain: [-3, 7, 12]}
      large: {type: integer, range: [-9000000000000000000, 9000000000000000000]}
      exact: {type: decimal, scale: 9, nullable: true}
      free: {type: decimal, scale: 2}
  notes:
    visibility: private
    unit_column: code
    columns: {code: {type: string}, said: {type: string}, at: {type: date, range: [1900-01-01, 1901-12-31]}}
  places: {visibility: public, key: name, columns: {name: {type: string}, far: {type: decimal}, old: {type: date}}}
  rates: {visibility: public, key: rate, columns: {rate: {type: decimal, scale: 3, range: ["0.100", "0.120"]}}}
  days: {visibility: public, key: day, columns: {day: {type: date, range: [2000-01-01, 2060-01-01]}}}
  flags: {visibility: public, key: flag, columns: {flag: {type: boolean}, on: {type: boolean, nullable: true}}}
  empty: {visibility: public, key: id, columns: {id: {type: integer}}, values: []}
  loose: {visibility: public, columns: {a: {type: string, domain: [x, "y'z"]}, b: {type: integer, range: [5, 6]}}}
bounds: [{measure: events.free, l2: 100}]
retention: {days: 30, column: events.at}
"""
TEXTS = {
    "retailer": RETAILER,
    "journey": demo_policy(),
    "synthetic": synthetic_policy(400),
    "shop": SHOP,
    "smallest": (POLICIES / "smallest.yaml").read_text(encoding="utf-8"),
    "fake": FAKE,
    "odd": ODD,
}


def loaded(directory: Path, text: str, shape: Shape, known: Snapshot | None = None) -> tuple[Snapshot, dict[str, str]]:
    policy = load_policy(text)
    sources = write_rows(directory / "rows", policy, shape, known)
    keys = SecretKeys.open(directory / "keys")
    return load_snapshot(directory / "vault", text, sources, keys, as_of=last_day(policy)), sources


def counts(path: str) -> int:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchone()
    return 0 if row is None else int(row[0])


@pytest.mark.parametrize("name", TEXTS)
def test_the_loader_takes_every_row_of_any_policy(name: str, tmp_path: Path) -> None:
    policy = load_policy(TEXTS[name])
    shape = shape_of(policy, 20_000)
    snapshot, sources = loaded(tmp_path, TEXTS[name], shape)
    assert shape.units <= policy.max_units
    with opened(snapshot, SecretKeys.open(tmp_path / "keys")) as connection:
        for table in policy.private_tables():
            stored = connection.execute(f"SELECT count(*) FROM vault.{table}").fetchone()
            assert stored == (counts(sources[table]),), table
            assert stored[0] > 0, table
        units = connection.execute("SELECT count(*) FROM vault._units").fetchone()
    assert units == (shape.units,)


def digest(files: dict[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(Path(path).read_bytes()).hexdigest() for name, path in files.items()}


def test_the_same_seed_makes_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    policy = load_policy(RETAILER)
    one, same, other = (
        digest(write_rows(tmp_path / str(place), policy, shape_of(policy, 20_000, seed=seed)))
        for place, seed in enumerate((7, 7, 8))
    )
    assert one == same
    assert all(one[name] != other[name] for name in ("lines", "customers"))


def ask(sources: dict[str, str], query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        for name, path in sources.items():
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{path}')")
        return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, dict[str, str]]:
    policy = load_policy(synthetic_policy(1_000))
    return policy, write_rows(tmp_path_factory.mktemp("rows"), policy, shape_of(policy, 100_000, rows_per_unit=100))


def test_units_and_values_have_heavy_tails_around_what_the_policy_tells(retail: tuple[Policy, dict[str, str]]) -> None:
    sizes = "SELECT count(*) AS n FROM purchases GROUP BY household_id"
    [(mean, middle, top)] = ask(retail[1], f"SELECT avg(n), median(n), quantile_cont(n, 0.99) FROM ({sizes})")
    assert float(str(mean)) == pytest.approx(100, rel=0.15)
    assert float(str(top)) > 7 * float(str(middle))
    [(spend, most, least)] = ask(retail[1], "SELECT avg(abs(amount)), max(amount), min(amount) FROM purchases")
    bounds = {bound.measure: bound.l2 for bound in retail[0].bounds if bound.keys == ()}
    assert float(str(spend)) == pytest.approx(float(bounds["purchases.amount"] / bounds["rows"]), rel=0.1)
    assert float(str(most)) > 10 * float(str(spend))
    assert float(str(least)) < 0


def test_keys_follow_zipfs_law_and_units_have_favourites(retail: tuple[Policy, dict[str, str]]) -> None:
    ranked = ask(retail[1], "SELECT count(*) AS n FROM purchases GROUP BY product_id ORDER BY n DESC LIMIT 20")
    sizes = [int(str(size)) for (size,) in ranked]
    assert 5 < sizes[0] / sizes[9] < 20
    pairs = "SELECT household_id, product_id, count(*) AS n FROM purchases GROUP BY ALL"
    [(again,)] = ask(retail[1], f"SELECT sum(n) FILTER (n > 1) / sum(n) FROM ({pairs})")
    assert float(str(again)) > 0.4


def test_a_basket_has_one_day(retail: tuple[Policy, dict[str, str]]) -> None:
    baskets = (
        "SELECT count(DISTINCT day) AS days, count(DISTINCT household_id) AS units FROM purchases GROUP BY basket_id"
    )
    assert ask(retail[1], f"SELECT max(days), max(units) FROM ({baskets})") == [(1, 1)]


COARSENED = (
    RETAILER.replace("name: {type: string}", "name: {type: string, nullable: true}").replace(
        '"100.00"]}', '"100.00"], nullable: true}'
    )
    + "sensitive:\n  - {name: care, label: care, table: products, column: category, values: [secret], "
    + "rule: coarsen, parent: department}\n"
)


def test_public_tables_are_those_of_the_snapshot_without_stand_ins(tmp_path: Path) -> None:
    policy = load_policy(COARSENED)
    snapshot, sources = loaded(tmp_path / "first", COARSENED, shape_of(policy, 5_000))
    with duckdb.connect(str(snapshot.public_file), read_only=True) as connection:
        assert connection.sql("SELECT * FROM products WHERE product_id < 0").fetchall()
    again = write_rows(tmp_path / "again", policy, shape_of(policy, 5_000, seed=2), snapshot)
    for name in ("products", "stores"):
        one, other = (sorted(map(repr, ask(files, f"SELECT * FROM {name}"))) for files in (sources, again))
        assert one == other
        assert one
    changed = load_policy(COARSENED.replace("range: [1, 9]", "range: [1, 8]"))
    other_stores = write_rows(tmp_path / "changed", changed, shape_of(changed, 5_000), snapshot)
    assert ask(other_stores, "SELECT max(store_id) FROM stores") == [(8,)]


def test_without_units_half_of_the_limit_is_made_as_far_as_there_is_room() -> None:
    policy = load_policy(RETAILER)
    assert shape_of(policy, 10**9).units == 50
    assert shape_of(policy, 10**9, units=500).units == policy.max_units == 100
    large = load_policy(synthetic_policy(5_000))
    assert shape_of(large, 10**9).units == large.max_units // 2
    assert shape_of(large, 10**6).units * shape_of(large, 10**6).mean_rows == pytest.approx(10**6, rel=0.01)
    assert shape_of(large, 10**6, rows_per_unit=30).mean_rows == pytest.approx(30)
