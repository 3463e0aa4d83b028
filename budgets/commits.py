"""Write transactions: durable when they end, anchored, and shared by callers that come at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import Engine

from budgets.anchor import Anchor
from budgets.database import WRITES, failing_closed
from budgets.errors import BudgetError, LedgerUnavailableError
from budgets.ledger import Account, Head
from budgets.statements import direct
from budgets.turns import Turns
from budgets.writer import Writer

MOST_TOGETHER: Final = 64  # callers in one transaction
_MARK: Final = sa.text("SAVEPOINT caller")
_FORGET_MARK: Final = sa.text("RELEASE SAVEPOINT caller")
_BACK_TO_MARK: Final = sa.text("ROLLBACK TO SAVEPOINT caller")

T = TypeVar("T")


@dataclass(slots=True)
class _Ticket(Generic[T]):
    """One caller's work, whether it is to be anchored, and what came of it."""

    work: Callable[[Writer], T]
    anchored: bool
    value: T | None = None
    error: BudgetError | None = None


class Commits:
    """The one way to write: each caller's work is all there when the call returns, or not at all.

    Those who come while another transaction is under way share the next one, one savepoint each: one commit, and one
    wait for the disk. Nobody returns before the commit, and the anchor after it, are durable.
    """

    def __init__(self, engine: Engine, anchor: Anchor | None, stamp: Callable[[], str]) -> None:
        self._engine = engine.execution_options(**WRITES)
        self._anchor = anchor
        self._stamp = stamp
        self._turns: Turns[_Ticket[Any]] = Turns(self._commit, MOST_TOGETHER)
        self._paths: dict[str, tuple[Account, ...]] = {}

    def run(self, work: Callable[[Writer], T]) -> T:
        """Returns what the work returns, or raises what it raises. Raises LedgerUnavailableError for the database's.

        Not anchored: only for what may be lost with an old copy of the ledger, as nothing private was read for it.
        """
        return self._result(_Ticket(work, anchored=False))

    def run_anchored(self, work: Callable[[Writer], T]) -> T:
        """As `run`, and anchored when it returns: for every charge, answer, cap and decision."""
        return self._result(_Ticket(work, anchored=True))

    @property
    def waiting(self) -> int:
        """How many callers wait for their transaction to begin."""
        return self._turns.waiting

    def advance_anchor(self, head: Head) -> None:
        """Moves the anchor on to an entry that is durable."""
        if self._anchor is not None:
            with failing_closed():
                self._anchor.advance(head)

    def _result(self, ticket: _Ticket[T]) -> T:
        self._turns.take(ticket)
        if ticket.error is not None:
            raise ticket.error
        return cast(T, ticket.value)

    def _commit(self, batch: Sequence[_Ticket[Any]]) -> None:
        finished = False
        try:
            with failing_closed(), self._engine.connect() as connection, connection.begin():
                head = self._together(connection, batch)
            if any(ticket.anchored and ticket.error is None for ticket in batch):
                self.advance_anchor(head)
            finished = True
        except LedgerUnavailableError:
            pass  # every caller of the batch is told so below
        finally:
            if not finished:
                self._paths.clear()
                for ticket in batch:
                    ticket.error = ticket.error or LedgerUnavailableError("The ledger cannot be written.")

    def _together(self, connection: sa.Connection, batch: Sequence[_Ticket[Any]]) -> Head:
        shared = len(batch) > 1
        writer = Writer.start(direct(connection), self._stamp(), self._paths)
        for ticket in batch:
            head = writer.head
            try:
                with failing_closed():
                    if shared:
                        writer.connection.execute(_MARK)
                    ticket.value = ticket.work(writer)
                    if shared:
                        writer.connection.execute(_FORGET_MARK)
            except BudgetError as error:  # this caller's alone: the others' work stays
                writer.head, ticket.error = head, error
                if not shared:
                    connection.rollback()
                    break
                writer.connection.execute(_BACK_TO_MARK)
                writer.connection.execute(_FORGET_MARK)
        return writer.head
