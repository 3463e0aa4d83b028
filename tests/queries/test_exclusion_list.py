"""The list on disk: durable, insert-only, private to its owner, and without a single id."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from queries.errors import ExclusionListError
from queries.exclusion_list import Asked, ExclusionList
from queries.exclusions import LeftOut
from queries.vault import SecretKeys

OPT_OUT = Asked("shop", "all", "opt-out", "maria", "asked at the desk")
ERASURE = Asked("shop", "all", "erasure", "maria", "a letter came")


@pytest.fixture
def keys(tmp_path: Path) -> SecretKeys:
    return SecretKeys.open(tmp_path / "keys")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "var" / "exclusions.db"


@pytest.fixture
def listed(file: Path, keys: SecretKeys) -> Iterator[ExclusionList]:
    with closing(ExclusionList(file, keys)) as opened:
        yield opened


def test_what_was_recorded_is_there_when_the_list_is_opened_again(
    listed: ExclusionList, file: Path, keys: SecretKeys
) -> None:
    listed.record(OPT_OUT, ["card 1", "card 2"])
    listed.record(Asked("other", "all", "opt-out", "maria", "elsewhere"), ["card 3"])
    with closing(ExclusionList(file, keys)) as again:
        found = again.of("shop")
        assert again.id == listed.id
    assert {each.pseudonym for each in found.left_out} == {keys.pseudonym("card 1"), keys.pseudonym("card 2")}
    assert listed.of("absent").left_out == ()


def test_no_id_is_on_disk_and_no_one_else_can_read_it(listed: ExclusionList, file: Path) -> None:
    listed.record(OPT_OUT, ["canary-4711"])
    for path in file.parent.iterdir():
        assert b"canary-4711" not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_nothing_is_changed_or_deleted(listed: ExclusionList, file: Path) -> None:
    listed.record(OPT_OUT, ["card 1"])
    listed.note_carried_out("shop", 1)
    with closing(sqlite3.connect(file)) as connection:
        for table, column in {
            "lists": "id",
            "requests": "kind",
            "units": "pseudonym",
            "carried_out": "through",
        }.items():
            for change in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(change)


def test_a_commit_survives_a_power_cut(listed: ExclusionList, file: Path) -> None:
    with listed._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_repeat_and_a_withdrawal_are_further_rows(listed: ExclusionList, keys: SecretKeys) -> None:
    listed.record(OPT_OUT, ["card 1", "card 1"])
    listed.record(OPT_OUT, ["card 1"])
    assert listed.of("shop").left_out == (
        LeftOut(keys.pseudonym("card 1"), "line items", None),
        LeftOut(keys.pseudonym("card 1"), "other rows", None),
    )
    listed.record(Asked("shop", "all", "withdrawal", "maria", "changed their mind"), ["card 1"])
    assert listed.of("shop").left_out == ()
    assert listed.of("shop").through == 3


def test_an_erasure_is_due_until_it_is_noted_as_carried_out(listed: ExclusionList) -> None:
    listed.record(OPT_OUT, ["card 1"])
    assert not listed.erasure_is_due("shop")
    listed.record(ERASURE, ["card 2"])
    assert listed.erasure_is_due("shop")
    assert not listed.erasure_is_due("other")
    through = listed.of("shop").through
    listed.record(ERASURE, ["card 3"])  # while the snapshot is made
    listed.note_carried_out("shop", through)
    assert listed.erasure_is_due("shop")
    listed.note_carried_out("shop", listed.of("shop").through)
    assert not listed.erasure_is_due("shop")


def test_a_list_of_another_pseudonym_key_is_refused(listed: ExclusionList, file: Path, tmp_path: Path) -> None:
    with pytest.raises(ExclusionListError, match="pseudonym key has changed"):
        ExclusionList(file, SecretKeys.open(tmp_path / "others"))


def test_a_file_that_is_no_list_is_refused(file: Path, keys: SecretKeys) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database at all, " * 100)
    with pytest.raises(ExclusionListError):
        ExclusionList(file, keys)


def test_of_many_who_make_the_list_at_once_one_does(file: Path, keys: SecretKeys) -> None:
    def made(number: int) -> str:
        with closing(ExclusionList(file, keys)) as opened:
            opened.record(OPT_OUT, [f"card {number}"])
            return opened.id

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(made, range(16)))
    with closing(ExclusionList(file, keys)) as opened:
        assert ids == {opened.id}
        assert len(opened.of("shop").left_out) == 32
