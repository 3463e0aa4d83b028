"""A quote tells price, error, bounds and keys; it is free, touches nothing, and is the same without a customer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest

from budgets.errors import UnknownAccountError
from budgets.privacy_loss import PrivacyLoss
from queries.targets import Target
from queries.worker_pool import WorkerPool
from queries.worker_process import WorkerProcess
from service.answering import Person
from service.quotes import Quote, QuotedColumn
from tests.budgets.ledger_samples import raise_cap
from tests.queries.retailer import Retailer, Statement, statements
from tests.service.test_answering import ACCOUNT, ANALYST, BY_DEPARTMENT, World, document

ACCEPTED = [each for each in statements("accepted") if "epsilon =" not in each.sql][::7]  # without a price of their own
LEFT_OUT = "h7"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    retailer = Retailer(tmp_path_factory.mktemp("sources"))
    retailer.close()
    return {table: str(path) for table, path in retailer.paths.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, str]) -> Iterator[World]:
    yield from opened(tmp_path_factory.mktemp("whole"), sources)


@pytest.fixture(scope="module")
def neighbour(tmp_path_factory: pytest.TempPathFactory, sources: dict[str, str]) -> Iterator[World]:
    """The same retailer without one household."""
    directory = tmp_path_factory.mktemp("without")
    rest = {table: without_household(path, directory / f"{table}.parquet") for table, path in sources.items()}
    yield from opened(directory / "var", rest)


def opened(directory: Path, sources: dict[str, str]) -> Iterator[World]:
    world = World(directory, sources)
    yield world
    world.answering.close()
    world.ledger.close()


def without_household(source: str, target: Path) -> str:
    with duckdb.connect() as connection:
        rows = connection.read_parquet(source)
        if "household_id" in rows.columns:
            assert (left_out := rows.filter(f"household_id = '{LEFT_OUT}'")).shape[0] > 0, left_out
            rows = rows.filter(f"household_id <> '{LEFT_OUT}'")
        rows.write_parquet(str(target))
    return str(target)


def quoted(world: World, sql: str, **members: Any) -> Quote:
    return world.answering.quote(ANALYST, world.request(sql, **members))


def column(quote: Quote, name: str) -> QuotedColumn:
    (found,) = (each for each in quote.columns if each.name == name)
    return found


@pytest.mark.parametrize("statement", ACCEPTED, ids=lambda statement: statement.name)
def test_a_quote_is_the_same_byte_for_byte_without_a_customer(
    world: World, neighbour: World, statement: Statement
) -> None:
    members: dict[str, Any] = {"params": statement.params, "options": statement.options, "reuse": "never"}
    prices: list[dict[str, Any]] = [{"epsilon": Fraction(1, 10)}, {"epsilon": None, "rho": Fraction(1, 1000)}]
    for price in prices:
        whole, rest = (quoted(each, statement.sql, **members, **price) for each in (world, neighbour))
        assert whole.snapshot != rest.snapshot
        assert whole.model_dump_json().replace(whole.snapshot, rest.snapshot) == rest.model_dump_json()


@pytest.mark.parametrize(
    ("sql", "target"),
    [
        (BY_DEPARTMENT, Target(Fraction(10**6))),
        ("SELECT note, COUNT(*) AS n FROM lines GROUP BY note", Target(Fraction(10**6), Fraction(1, 2), "n")),
    ],
)
def test_the_price_of_a_target_is_the_same_without_a_customer(
    world: World, neighbour: World, sql: str, target: Target
) -> None:
    whole, rest = (quoted(each, sql, epsilon=None, target=target, reuse="never") for each in (world, neighbour))
    assert whole.model_dump_json().replace(whole.snapshot, rest.snapshot) == rest.model_dump_json()


def files(world: World) -> dict[str, bytes]:
    """All files of the service, but for the memory that readers of the ledger share."""
    found = world.settings.data_dir.rglob("*")
    return {str(path): path.read_bytes() for path in found if path.is_file() and not path.name.endswith("-shm")}


def test_a_quote_writes_nothing_and_reaches_no_worker_that_can_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted(world, BY_DEPARTMENT)  # opens the workers

    def no_vault(*_: object) -> None:
        raise AssertionError("a quote takes no worker that reads private rows")

    monkeypatch.setattr(WorkerPool, "vault", no_vault)
    monkeypatch.setattr(WorkerProcess, "release", no_vault)
    before, head = files(world), world.ledger.head()
    assert any(path.endswith((".db", ".sqlite", ".sqlite3")) for path in before)
    world.diary.steps.clear()
    for number in range(3):
        quoted(world, f"{BY_DEPARTMENT} HAVING n > {number}", epsilon=None, target=Target(Fraction(10**6)))
        quoted(world, f"SELECT note, AVG(amount) AS m FROM lines WHERE pieces > {number} GROUP BY note")
    assert world.diary.steps == []
    assert world.ledger.head() == head
    assert files(world) == before


def test_every_price_of_the_table_is_what_a_quote_at_that_price_says(world: World) -> None:
    sql = f"SELECT n, n / 7 AS part FROM ({BY_DEPARTMENT}) AS t"
    prices = quoted(world, sql, epsilon=Fraction(1, 10)).prices
    assert len(prices) == 4
    for choice in prices:
        epsilon, rho = Fraction(choice.epsilon), Fraction(choice.rho)
        for quote in (quoted(world, sql, epsilon=None, rho=rho), quoted(world, sql, epsilon=epsilon)):
            found = {each.name: each.interval_half_width for each in quote.columns if each.interval_half_width}
            assert found == pytest.approx(choice.interval_half_widths, rel=1e-4)
    own = Fraction(quoted(world, sql, epsilon=Fraction(1, 10)).cost.rho)
    assert [Fraction(choice.rho) / own for choice in prices] == pytest.approx([0.5, 1, 2, 4], rel=1e-4)


@pytest.mark.parametrize(("most", "factors"), [(Fraction(2), [0.5, 1, 2]), (Fraction(1), [0.5, 1])])
def test_the_table_ends_at_what_one_query_may_take(world: World, most: Fraction, factors: list[float]) -> None:
    prices = quoted(world, BY_DEPARTMENT, epsilon=Fraction(1), max_epsilon=most).prices
    assert Fraction(prices[-1].epsilon) <= most
    rhos = [Fraction(choice.rho) for choice in prices]
    assert rhos[: len(factors)] == pytest.approx([factor * rhos[1] for factor in factors], rel=1e-6)
    assert len(rhos) == len(factors) + (most == 2)
    assert Fraction(prices[-1].epsilon) == pytest.approx(most, rel=1e-5)


def test_a_quote_names_keys_bounds_and_clipping(world: World) -> None:
    sql = (
        "SELECT department AS d, day, COUNT(*) AS n, SUM(amount) AS s, AVG(pieces) AS m FROM lines JOIN products "
        "USING (product_id) WHERE day < DATE '2026-01-08' GROUP BY d, day"
    )
    quote = quoted(world, sql, options={"l2_bound": {"s": 500}})
    (release,) = quote.releases
    sources = {tuple(each.columns): each.source for each in release.key_sources}
    assert sources == {
        ("d",): "values of department in the public table products",
        ("day",): "range of lines.day, 2026-01-01 to 2026-01-07",
    }
    assert (release.keys, release.groups, release.threshold) == ("public", 28, None)
    bounds = {tuple(each.columns): (each.l2_bound, each.bound_source) for each in release.measures}
    assert bounds["s",] == ("500", "stated")
    assert bounds["m", "n"][1] == "policy: rows"
    assert {each.name: (each.type, each.role, each.unknown) for each in quote.columns} == {
        "d": ("VARCHAR", "dimension", None),
        "day": ("DATE", "dimension", None),
        "n": ("BIGINT", "estimate", None),
        "s": ("DECIMAL(19,2)", "estimate", None),
        "m": ("DOUBLE", "estimate", "depends-on-data"),
    }
    assert column(quote, "m").interval_half_width is None
    assert all(each.clipping.explanation for each in release.measures)


def test_a_quote_of_thresholded_keys_tells_the_threshold(world: World) -> None:
    (release,) = quoted(world, "SELECT note, COUNT(*) AS n FROM lines GROUP BY note", epsilon=Fraction(1)).releases
    assert (release.keys, release.groups, release.max_groups_contributed) == ("threshold", None, 1000)
    assert [each.columns for each in release.key_sources] == [["note"]]
    assert release.threshold is not None
    assert 10 < release.threshold < 100


def test_subtotals_have_two_half_widths(world: World) -> None:
    found = column(quoted(world, BY_DEPARTMENT.replace("GROUP BY department", "GROUP BY ROLLUP (department)")), "n")
    assert found.interval_half_width is not None
    assert found.largest_interval_half_width == pytest.approx(found.interval_half_width * math.sqrt(4))
    endless = column(quoted(world, "SELECT note, COUNT(*) AS n FROM lines GROUP BY ROLLUP (note)"), "n")
    assert endless.largest_interval_half_width is None
    assert endless.interval_half_width is not None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [("AVG(pieces)", "depends-on-data"), ("store_id * COUNT(*)", "differs-by-group"), ("COUNT(*) / 0", "not-computed")],
)
def test_an_error_that_is_not_known_has_a_reason(world: World, expression: str, reason: str) -> None:
    found = column(quoted(world, f"SELECT store_id, {expression} AS x FROM lines GROUP BY store_id"), "x")
    assert (found.standard_error, found.interval_half_width, found.largest_interval_half_width) == (None, None, None)
    assert (found.unknown, found.confidence) == (reason, 0.95)


def test_a_question_about_public_tables_costs_nothing_however_often(world: World) -> None:
    quote = quoted(world, "SELECT department, COUNT(*) AS n FROM products GROUP BY department")
    assert (quote.cost.rho, quote.repeats, quote.prices, quote.releases) == ("0", None, [], [])
    assert quote.affordable
    targeted = quoted(world, "SELECT COUNT(*) AS n FROM products", epsilon=None, target=Target(Fraction(1)))
    assert targeted.target is not None
    assert targeted.target.interval_half_width == 0


def test_a_quote_says_what_of_the_answer_is_stored_and_how_exact_that_is(world: World) -> None:
    sql = "SELECT COUNT(*) AS n FROM lines WHERE pieces = 6"
    bought = document(world.answer(sql, epsilon=Fraction(1, 5)))
    repeat, fresh = (quoted(world, sql, epsilon=Fraction(1, 10), reuse=reuse) for reuse in ("prefer", "never"))
    assert (repeat.stored.complete, repeat.stored.queries) == (True, [bought["id"]])
    assert (fresh.stored.complete, fresh.stored.queries) == (False, [])
    assert (repeat.cost.rho, repeat.repeats, repeat.affordable) == ("0", None, True)
    assert column(repeat, "n").standard_error == pytest.approx(bought["rows"][0]["n_standard_error"])
    assert (column(fresh, "n").standard_error or 0) > bought["rows"][0]["n_standard_error"]
    both = quoted(world, f"SELECT n, (SELECT COUNT(*) FROM lines WHERE pieces = 7) AS m FROM ({sql}) AS t")
    assert (both.stored.complete, both.stored.queries) == (False, [bought["id"]])


@pytest.mark.parametrize("account", [ACCOUNT, "retailer"])
def test_what_any_account_above_cannot_pay_is_not_affordable(world: World, account: str) -> None:
    present = world.ledger.balance(account)
    assert quoted(world, BY_DEPARTMENT, reuse="never").affordable
    try:
        world.ledger.set_cap(account, PrivacyLoss(1), "officer", "to try a quote")
        quote = quoted(world, BY_DEPARTMENT, reuse="never")
    finally:
        raise_cap(world.ledger, present.account, present.cap)
    assert (quote.affordable, quote.repeats) == (False, 0)


def test_repeats_count_what_the_scarcer_of_rho_and_delta_buys(world: World) -> None:
    sql = "SELECT note, COUNT(*) AS n FROM lines GROUP BY note"
    left = world.ledger.balance(ACCOUNT).remaining
    many = quoted(world, sql, epsilon=Fraction(1, 1000), options={"delta": Fraction(1, 10**5)}, reuse="never")
    assert many.repeats == left.delta_atto // (10**18 // 10**5)
    assert many.remaining.delta == "0.00005"


def test_somebody_without_an_account_is_quoted_nothing(world: World) -> None:
    with pytest.raises(UnknownAccountError):
        world.answering.quote(Person("stranger", "analyst"), world.request(BY_DEPARTMENT))
