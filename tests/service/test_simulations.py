"""Simulations of a service: free of private rows, made once a snapshot, remembered, and closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from queries.errors import QueryNotPrivateError
from queries.vault import Snapshot
from service.simulation.rehearsal import Rehearsed
from service.simulation.simulations import Simulations, Wanted
from tests.queries.retailer import POLICY_TEXT
from tests.service.simulation_world import DECLARED, load, settings_in

BY_STORE = "SELECT store_id, COUNT(*) AS n FROM lines GROUP BY store_id"
WANTED = Wanted(Rehearsed(BY_STORE), (Fraction(1), Fraction(10)), 3, Fraction(1, 10))
World = tuple[Simulations, Snapshot, Path]


def without_private_rows(snapshot: Snapshot) -> Snapshot:
    """The snapshot, of which nothing is left that could be read of units."""
    snapshot.private_file.unlink()
    snapshot.private_file.mkdir()  # so that nobody can make it anew either
    return snapshot


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("private")
    settings = settings_in(folder / "var", simulation_rows=5_000)
    snapshot = without_private_rows(load(settings, folder / "rows", POLICY_TEXT))
    (settings.keys_dir / "vault.key").unlink()
    simulations = Simulations(settings)
    yield simulations, snapshot, settings.data_dir
    simulations.close()


def test_private_rows_are_not_opened_nor_is_their_key(world: World) -> None:
    simulations, snapshot, data = world
    found = simulations.accuracy(snapshot, WANTED)
    assert found.simulated_on.kind == "synthetic"
    assert found.simulated_on.units == 50
    assert [price.epsilon for price in found.prices] == ["1", "10"]
    assert snapshot.private_file.is_dir()
    assert not (data / "keys" / "vault.key").exists()


def test_rows_are_made_once_a_snapshot_and_those_of_others_go(world: World) -> None:
    simulations, snapshot, data = world
    simulations.accuracy(snapshot, WANTED)
    home = data / "simulations" / "retailer"
    (made,) = home.iterdir()
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*.duckdb")}
    (home / "s_of_an_older_snapshot").mkdir()
    again = Simulations(settings_in(data.parent / "again", simulation_rows=5_000).model_copy(update={"data_dir": data}))
    again.accuracy(snapshot, WANTED)
    again.close()
    assert list(home.iterdir()) == [made]
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*.duckdb")} == before
    assert not (made / "rows").exists()


def test_an_equal_question_has_the_same_figures_and_another_one_others(world: World) -> None:
    simulations, snapshot, _ = world
    first = simulations.accuracy(snapshot, WANTED)
    assert simulations.accuracy(snapshot, replace(WANTED, statement=Rehearsed(f"{BY_STORE} -- again"))) == first
    for other in (replace(WANTED, draws=4), replace(WANTED, statement=Rehearsed(BY_STORE.replace("n FROM", "m FROM")))):
        assert simulations.accuracy(snapshot, other) != first
    tight = Rehearsed(BY_STORE, options={"l2_bound": {"n": Fraction(5)}})
    assert simulations.accuracy(snapshot, replace(WANTED, statement=tight)).bounds[0].l2_bound == "5"


def test_a_refusal_is_raised_before_anything_is_drawn(world: World) -> None:
    simulations, snapshot, _ = world
    with pytest.raises(QueryNotPrivateError):
        simulations.accuracy(snapshot, replace(WANTED, statement=Rehearsed("SELECT household_id FROM lines")))


def test_rows_that_are_declared_public_are_simulated_on_themselves(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    snapshot = load(settings, tmp_path / "rows", DECLARED)
    simulations = Simulations(settings)
    tight = Rehearsed(BY_STORE, options={"l2_bound": {"n": Fraction(20)}})
    found = simulations.accuracy(snapshot, replace(WANTED, statement=tight, epsilons=(Fraction(100),), draws=20))
    simulations.close()
    assert found.simulated_on.kind == "public"
    assert "rows that a test made up for everybody" in found.simulated_on.description
    assert not (settings.data_dir / "simulations").exists()
    assert (found.prices[0].columns[0].relative_error_median or 1) < 0.5
