"""The list of opt-outs and erasures on disk: insert-only, durable, of keyed pseudonyms and never of ids.

It lies beside the vault, not in it: a vault can be loaded anew, the list cannot. Nothing in it is ever changed; what
was carried out is noted, so that an erasure is not taken for done before the last file that held its rows is gone.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from budgets.database import WRITES
from budgets.errors import BudgetError
from budgets.sqlite import open_sqlite
from queries.errors import ExclusionListError
from queries.exclusions import Kind, LeftOut, Level, Recorded, left_out
from queries.vault_keys import SecretKeys

_metadata = sa.MetaData()
_lists = sa.Table(
    "lists",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("pseudonym_key_fingerprint", sa.String, nullable=False),
)
_requests = sa.Table(
    "requests",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("level", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("by", sa.String, nullable=False),
    sa.Column("reason", sa.String, nullable=False),
)
_units = sa.Table(
    "units",
    _metadata,
    sa.Column("request", sa.Integer, sa.ForeignKey("requests.id"), primary_key=True),
    sa.Column("pseudonym", sa.LargeBinary(32), primary_key=True),
)
_carried_out = sa.Table(
    "carried_out",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String, nullable=False, index=True),
    sa.Column("through", sa.Integer, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)
FILE_NAME: Final = "exclusions.db"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an officer asks for, of units that the call names beside it."""

    dataset: str
    level: Level
    kind: Kind
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Exclusions:
    """What is to be left out of one dataset, as of the request numbered `through`."""

    through: int
    left_out: tuple[LeftOut, ...] = field(repr=False)


def list_file(vault_root: Path) -> Path:
    """Where the list of the datasets in this vault lies."""
    return vault_root.absolute().parent / FILE_NAME


class ExclusionList:
    """The list of one vault; safe to share between threads and processes. Every call can raise ExclusionListError."""

    def __init__(self, file: Path, keys: SecretKeys) -> None:
        """Opens the list at `file`, or makes it; refuses one whose pseudonyms were made with another key."""
        self._keys = keys
        with _failing():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._engine = open_sqlite(sa.URL.create("sqlite", database=str(file)))
            self.id, fingerprint = self._identity()
        if fingerprint != keys.pseudonym_key_fingerprint():
            self.close()
            raise ExclusionListError("The pseudonym key has changed: the opt-outs on file would not be honoured.")

    def record(self, asked: Asked, unit_texts: Sequence[str]) -> None:
        """Notes it of each unit, durably; the same again, and units that no dataset has, are as good."""
        pseudonyms = sorted({self._keys.pseudonym(text) for text in unit_texts})
        row = {"dataset": asked.dataset, "level": asked.level, "kind": asked.kind, "by": asked.by}
        with _failing(), self._writing() as connection:
            made = _requests.insert().values(**row, reason=asked.reason, at=_now()).returning(_requests.c.id)
            number = connection.execute(made).scalar_one()
            connection.execute(_units.insert(), [{"request": number, "pseudonym": each} for each in pseudonyms])

    def of(self, dataset: str) -> Exclusions:
        """What is to be left out of the dataset's next snapshot."""
        told = (_requests.c.id, _requests.c.level, _requests.c.kind, _requests.c.at, _units.c.pseudonym)
        select = sa.select(*told).join_from(_requests, _units).where(_requests.c.dataset == dataset)
        with _failing(), self._engine.connect() as connection:
            rows = connection.execute(select.order_by(_requests.c.id)).all()
        found = (Recorded(row.pseudonym, row.level, row.kind, date.fromisoformat(row.at[:10])) for row in rows)
        return Exclusions(rows[-1].id if rows else 0, left_out(found))

    def has_level(self, dataset: str, level: Level) -> bool:
        """Whether something of this level was ever recorded."""
        there = sa.exists().where(_requests.c.dataset == dataset, _requests.c.level == level)
        with _failing(), self._engine.connect() as connection:
            return bool(connection.execute(sa.select(there)).scalar())

    def erasure_is_due(self, dataset: str) -> bool:
        """Whether an erasure was recorded that was not noted as carried out."""
        done = sa.select(sa.func.max(_carried_out.c.through)).where(_carried_out.c.dataset == dataset)
        due = sa.exists().where(
            _requests.c.dataset == dataset,
            _requests.c.kind == "erasure",
            _requests.c.id > sa.func.coalesce(done.scalar_subquery(), 0),
        )
        with _failing(), self._engine.connect() as connection:
            return bool(connection.execute(sa.select(due)).scalar())

    def note_carried_out(self, dataset: str, through: int) -> None:
        """Notes that no file holds a row any more that was to be erased by a request up to `through`."""
        with _failing(), self._writing() as connection:
            connection.execute(_carried_out.insert().values(dataset=dataset, through=through, at=_now()))

    def close(self) -> None:
        """Give the database connections back."""
        self._engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._engine.execution_options(**WRITES).begin() as connection:
            yield connection

    def _identity(self) -> tuple[str, str]:
        """The random id of the list and the fingerprint of its pseudonyms' key; makes the tables where there are none.

        The write lock is held meanwhile: of two that make the list at once, one makes it.
        """
        with self._writing() as connection:
            if not sa.inspect(connection).has_table("lists"):
                _metadata.create_all(connection)
                for table in _metadata.sorted_tables:
                    _forbid_changes(connection, table.name)
                fingerprint = self._keys.pseudonym_key_fingerprint()
                row = {"id": secrets.token_hex(16), "pseudonym_key_fingerprint": fingerprint}
                connection.execute(_lists.insert().values(**row))
            found = connection.execute(sa.select(_lists)).one()
        return found.id, found.pseudonym_key_fingerprint


def _forbid_changes(connection: sa.Connection, table: str) -> None:
    for change in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )


@contextmanager
def _failing() -> Iterator[None]:
    """Turns every failure of the database or of its file into ExclusionListError."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError, BudgetError) as error:
        raise ExclusionListError("The list of opt-outs cannot be read or written.") from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
