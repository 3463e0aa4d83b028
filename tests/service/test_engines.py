"""Workers and snapshots: what is in flight ends well while its rows are deleted, and no worker stays behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from queries.errors import EngineUnavailableError
from queries.exclusion_list import Asked
from queries.vault import SecretKeys, Snapshot, refresh_snapshot
from service.answering import Answering
from service.app import open_exclusions
from tests.queries.retailer import Retailer
from tests.service.test_answering import BY_DEPARTMENT, World, document

ERASURE = Asked("retailer", "all", "erasure", "maria", "asked for it")
SORTED = f"{BY_DEPARTMENT} ORDER BY n DESC"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    sources = Retailer(tmp_path_factory.mktemp("sources"))
    paths = {name: str(path) for name, path in sources.paths.items()}
    sources.close()
    made = World(tmp_path_factory.mktemp("engines"), paths)
    yield made
    made.answering.close()
    made.ledger.close()


@pytest.fixture
def world(shared: World) -> World:
    shared.diary.steps.clear()
    return shared


def current(world: World) -> Snapshot:
    return world.answering._snapshot("retailer")


def erase(world: World) -> Snapshot:
    """Erase a household and make the next snapshot, as the command line does."""
    with closing(open_exclusions(world.settings)) as listed:
        listed.record(ERASURE, ["h3"])
    return refresh_snapshot(world.settings.vault_root, "retailer", SecretKeys.open(world.settings.keys_dir))


def vault_worker(world: World) -> int:
    with world.answering._engines.of(current(world)).vault() as worker:
        return worker.pid


def is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_an_answer_in_flight_ends_while_its_snapshot_is_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = current(world)
    begin = world.diary.begin

    def begun(reservation_id: str) -> None:
        begin(reservation_id)
        new = erase(world)
        world.answering.move_on()
        assert current(world) == new
        assert not old.directory.exists()

    monkeypatch.setattr(world.diary, "begin", begun)
    answered = world.answer(SORTED)
    assert answered.outcome.status == 201, answered.outcome.body
    assert document(answered)["receipt"]["snapshot"] == old.id
    assert world.diary.steps == ["reserve", "begin", "settle"]


def test_what_was_planned_on_deleted_rows_is_not_begun_on_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = Answering._try_out

    def late(answering: Answering, question: Any) -> Any:
        columns = tried(answering, question)
        monkeypatch.setattr(Answering, "_try_out", tried)
        erase(world)
        answering.move_on()
        return columns

    monkeypatch.setattr(Answering, "_try_out", late)
    before = world.spent()
    with pytest.raises(EngineUnavailableError):
        world.answer(SORTED)
    assert world.diary.steps == []
    assert world.spent() == before
    assert document(world.answer(SORTED))["receipt"]["snapshot"] == current(world).id


def test_a_service_that_is_asked_nothing_lets_go_of_deleted_rows(world: World) -> None:
    pid = vault_worker(world)
    assert any("private.duckdb" in str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    erase(world)
    world.answering.move_on()
    assert is_gone(pid)
    assert vault_worker(world) != pid


def test_where_nothing_changed_the_workers_stay(world: World) -> None:
    pid = vault_worker(world)
    world.answering.move_on()
    assert vault_worker(world) == pid
