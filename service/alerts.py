"""Alerts: what officers should hear of, read from the ledger's entries one by one.

Each entry makes the same alerts whoever reads it, so nothing has to be noted when it happens, and no answer waits for
an alert. What is told is who governs and which budget is how full: nothing of private rows, and no SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from budgets.ledger import Entry
from budgets.meters import WINDOWS, kind_of
from budgets.privacy_loss import LARGEST

_TOLD: Final = {
    "proposed": "A change was proposed.",
    "decided": "A proposal was decided on.",
    "frozen": "A dataset was stopped.",
    "unfrozen": "A dataset was started again.",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell; `id` is the same whoever tells it, and however often."""

    id: str
    kind: str
    at: str
    text: str
    facts: Mapping[str, Any]

    @property
    def document(self) -> dict[str, Any]:
        """The body of the webhook."""
        return {"id": self.id, "kind": self.kind, "at": self.at, "text": self.text, **self.facts}


@dataclass(slots=True)
class Levels:
    """How full each meter was when it was last looked at: the highest threshold (percent) that it had reached.

    Only the newest window of a kind is kept, and told of.
    """

    reached: dict[str, int] = field(default_factory=dict)

    def rise(self, account_id: str, meter: str, level: int) -> bool:
        """Notes a level, and says whether it is higher than the one before."""
        name = f"{account_id} {meter}"
        if kind_of(meter) in WINDOWS and name not in self.reached:
            others = [known for known in self.reached if known.startswith(f"{account_id} {kind_of(meter)}:")]
            if any(known > name for known in others):
                return False  # what was reserved in a window that is over, and begun in the next one
            for known in others:
                del self.reached[known]
        before = self.reached.get(name, 0)
        self.reached[name] = level
        return level > before


def alerts_of(entry: Entry, thresholds: Sequence[int], levels: Levels) -> Iterator[Alert]:
    """The alerts of one entry; `levels` are brought up to it."""
    facts = entry.facts
    if entry.kind in _TOLD:
        yield _governed(entry, facts)
    for posting in facts.get("postings", ()):
        level = _level(posting, thresholds)
        if levels.rise(posting["account_id"], posting["meter"], level):
            place = f"{posting['account_id']} ({posting['meter']})"
            known = {"account": posting["account_id"], "meter": posting["meter"], "percent": level}
            yield _alert(entry, "budget", f"{level}% of the budget of {place} are spent.", known)


def _level(posting: Mapping[str, Any], thresholds: Sequence[int]) -> int:
    """The highest threshold that is reached by what is spent, of either amount; 0 for none."""
    shares = [
        Fraction(100 * posting[f"spent_{unit}"], posting[f"cap_{unit}"])
        for unit in ("rho_nano", "delta_atto")
        if 0 < posting[f"cap_{unit}"] < LARGEST
    ]
    share = max(shares, default=Fraction(0))
    return max((threshold for threshold in thresholds if share >= threshold), default=0)


def _governed(entry: Entry, facts: Mapping[str, Any]) -> Alert:
    change = facts.get("change", {})
    known = {
        "actor": entry.actor,
        "proposal": facts.get("proposal_id"),
        "dataset": facts.get("dataset", facts.get("scope")),
        "change": change.get("kind"),
        "decision": facts.get("decision"),
    }
    return _alert(
        entry, entry.kind, _TOLD[entry.kind], {name: each for name, each in known.items() if each is not None}
    )


def _alert(entry: Entry, kind: str, text: str, facts: Mapping[str, Any]) -> Alert:
    source = f"{entry.hash} {kind} {facts.get('account')} {facts.get('meter')}"
    return Alert(hashlib.sha256(source.encode()).hexdigest()[:32], kind, entry.at, text, {"seq": entry.seq, **facts})
