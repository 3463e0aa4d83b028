"""What must hold of a ledger after any fault, whatever the calls before it told.

I1 what is spent never decreases. I2 no reservation exceeds the cap in force. I3 each answer that was seen has a durable
charge from before. I4 one key, one charge, the same bytes. I5 the chain verifies. I6 the head is not behind the anchor.
I7 what was begun and has no known outcome is spent.

I2 and I5 are the audit's, whose rules are its own. The rest follows from this: the ledger is in a state that the model
can be in after the results that were seen, where only a call that did not return, or whose outcome was unknown, may
have happened or not: at once, or as the last one when the ledger is opened again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from budgets import audit
from budgets.anchor import Anchor
from budgets.errors import LedgerUnavailableError
from budgets.ledger import Head
from tests.budgets.ledger_model import LedgerModel, after_all, tried, view, view_of
from tests.budgets.ledger_samples import LEASE_SECONDS
from tests.faults.steps import SECONDS_A_STEP, STEPS, at_step, model, open_at


def possible_after(results: Sequence[str], kinds: Sequence[str]) -> list[LedgerModel]:
    """The states that a ledger with entries of these kinds may be in after these results of the first steps."""

    def at_and_like(models: Iterable[LedgerModel], number: int) -> list[LedgerModel]:
        return [at_step(each, number) for each in models if each.kinds == kinds[: len(each.kinds)]]

    models = [model()]
    for number, result in enumerate(results):
        models = after_all(at_and_like(models, number), STEPS[number], result)
        assert models, f"no sequence of calls with these results leaves this: step {number} ended with {result}"
    models = at_and_like(models, len(results))
    assert models, f"no sequence of calls with these results leaves this: {kinds}"
    if len(results) < len(STEPS):  # the one that did not return
        models += [after for each in models if (after := tried(each, STEPS[len(results)])[0]) is not each]
    return models + [late for each in models for late in _shown_late(each, results)]


def _shown_late(model: LedgerModel, results: Sequence[str]) -> Iterator[LedgerModel]:
    """The model after a call that was unavailable, and had not happened for the calls behind it.

    A write whose sync failed may be in the log all the same. Nobody sees it until the next start, and what is written
    after it takes its place.
    """
    for number in reversed(range(len(results))):
        if results[number] == "ok":
            return
        if results[number] == LedgerUnavailableError.__name__:
            after, _ = tried(at_step(model, number), STEPS[number])
            if after is not model:
                yield after


def require_sound(url: str, anchor: Path, results: Sequence[str]) -> None:
    """Raises AssertionError, or the ledger's own error, unless all of I1 to I7 hold."""
    end = len(STEPS)
    anchored = Anchor(anchor).read() or Head(0, "")
    ledger = open_at(url, anchor, end)
    try:
        assert ledger.head().seq >= anchored.seq
        seen = view_of(ledger)
        kinds = [entry.kind for entry in ledger.entries(after_seq=0, limit=10_000)]
        models = [at_step(each, end) for each in possible_after(results, kinds)]
        models = [each for each in models if view(each) == seen]
        assert models, f"no sequence of calls with these results leaves this: {kinds}"
        assert audit.verify(ledger, anchor=anchor).problems == ()
    finally:
        ledger.close()
    later = end + 1 + LEASE_SECONDS // SECONDS_A_STEP
    ledger = open_at(url, anchor, later)
    try:
        expected = at_step(models[0], later)
        assert ledger.recover() == expected.recover()
        assert view_of(ledger) == view(expected)
        assert audit.verify(ledger, anchor=anchor).problems == ()
    finally:
        ledger.close()
