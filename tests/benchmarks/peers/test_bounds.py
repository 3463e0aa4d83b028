"""Peers are asked under the published bounds, and under the best for the noise that they add."""

from pathlib import Path

import duckdb
import pytest

from benchmarks.accuracy.questions import ASKED
from benchmarks.peers.bounds import Price, best, shape_of, stated

BY_NAME = {asked.name: asked for asked in ASKED}
PRICE = Price(1.0, 1e-6, 0.0239)


def test_the_published_bounds_are_20_groups_with_at_most_20_lines_or_100_in_each() -> None:
    assert {name: str(stated(asked)) for name, asked in BY_NAME.items()} == {
        "Q1": "20 × 20",
        "Q2": "20 × 100",
        "Q3": "20 × 1",
        "Q4": "20 × 20",
        "Q5": "20 × 100 × 20",
        "Q6": "20 × 20",
        "Q7": "20 × 100",
        "Q8": "20 × 100",
    }


def test_every_question_has_a_shape_that_peers_know() -> None:
    shapes = {shape_of(asked) for asked in ASKED}
    assert shapes == {"lines", "spend", "households", "products", "mean", "median"}


@pytest.fixture(scope="module")
def plain_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of 300 households, of which a few have many."""
    file = tmp_path_factory.mktemp("bounds") / "plain.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE products AS SELECT range AS product_id, 'D' || range % 12 AS department FROM range(40)"
        )
        connection.execute(
            "CREATE TABLE purchases AS SELECT "
            "CAST(300 * pow(hash(range, 3) % 1000 / 1000.0, 4) AS INTEGER) AS household_id, "
            "hash(range) % 40 AS product_id, hash(range, 1) % 9 AS store_id, "
            "CAST(hash(range, 2) % 900 AS INTEGER) AS amount FROM range(20000)"
        )
    return file


@pytest.mark.parametrize("name", ["Q1", "Q4", "Q5"])
def test_laplace_noise_wants_households_bounded_more_tightly_than_gaussian(name: str, plain_file: Path) -> None:
    laplace, gaussian = (best(plain_file, BY_NAME[name], PRICE, mechanism) for mechanism in ("laplace", "gaussian"))
    assert laplace.groups * laplace.each[0] < gaussian.groups * gaussian.each[0]


def test_medians_have_the_best_groups_and_lines(plain_file: Path) -> None:
    found = best(plain_file, BY_NAME["Q6"], PRICE, "gaussian")
    assert 1 <= found.groups <= 12
    assert len(found.each) == 1
