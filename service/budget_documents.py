"""What the API tells of a budget: its meters, how fast it is used up, and how many more questions it buys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR
from fractions import Fraction
from math import ceil
from typing import Final

from budgets.ledger import UNLIMITED, Balance, Ledger
from budgets.meters import BLOCK, LIFETIME, WINDOWS, kind_of
from budgets.privacy_loss import ZERO, PrivacyLoss
from queries.policy import Policy
from service.accounts import ATTO, NANO, epsilon_text, plain
from service.guarantees import guarantee_words

PACE_DAYS: Final = 28
_FAR_DAYS: Final = 36_525
_CHARGED: Final = frozenset({"begun", "settled", "failed"})
_SEARCHED_QUERIES: Final = 50


@dataclass(frozen=True, slots=True)
class _Pace:
    """What was spent in the last days, and on how many days."""

    spent: PrivacyLoss
    days: Fraction

    def days_for(self, rest: PrivacyLoss) -> Fraction | None:
        """For how many days the rest suffices at this pace; None: for ever."""
        pairs = ((rest.rho_nano, self.spent.rho_nano), (rest.delta_atto, self.spent.delta_atto))
        return min((Fraction(left, used) * self.days for left, used in pairs if used), default=None)


def budget_document(ledger: Ledger, balance: Balance, policy: Policy) -> dict[str, object]:
    """What the API tells of an account; decimals as strings, and null for what has no limit.

    Epsilon does not add up, rho does: `remaining.epsilon` is the largest epsilon of one query that still fits, rounded
    down; `spent.epsilon` bounds all that was released, rounded up.
    """
    account = balance.account
    meters = ledger.meters(account.id)
    return {
        "id": account.id,
        "dataset": account.dataset,
        "kind": account.kind,
        "parent": account.parent,
        "owner": account.owner,
        "conversion_delta": plain(policy.budget.conversion_delta),
        **_amounts(balance, policy),
        "guarantee": guarantee_words(meters, policy),
        "meters": [_meter(meter, policy) for meter in meters],
        "forecast": _forecast(ledger, balance),
        "about_queries_left": _queries_left(ledger, balance, meters),
    }


def _amounts(balance: Balance, policy: Policy) -> dict[str, object]:
    conversion_delta, spent = policy.budget.conversion_delta, balance.spent + balance.reserved
    limited = balance.cap != UNLIMITED
    return {
        "cap": _loss(balance.cap, conversion_delta, ROUND_CEILING) if limited else None,
        "spent": _loss(spent, conversion_delta, ROUND_CEILING),
        "remaining": _loss(balance.remaining, conversion_delta, ROUND_FLOOR) if limited else None,
    }


def _loss(loss: PrivacyLoss, conversion_delta: Fraction, rounding: str) -> dict[str, str]:
    return {
        "epsilon": epsilon_text(loss, conversion_delta, rounding),
        "delta": plain(Fraction(loss.delta_atto, ATTO)),
        "rho": plain(Fraction(loss.rho_nano, NANO)),
    }


def _meter(balance: Balance, policy: Policy) -> dict[str, object]:
    """A meter with the time in which it counts: from `since` until before `until`, when it starts anew."""
    since, until = window_days(balance.meter)
    return {
        "meter": balance.meter,
        "kind": kind_of(balance.meter),
        "since": _midnight(since),
        "until": _midnight(until),
        **_amounts(balance, policy),
    }


def window_days(meter: str) -> tuple[date | None, date | None]:
    """The first day of a window of time, and the first day after it; (None, None) for other meters.

    >>> window_days("month:2026-12")
    (datetime.date(2026, 12, 1), datetime.date(2027, 1, 1))
    """
    kind, _, name = meter.partition(":")
    match kind:
        case "day":
            day = date.fromisoformat(name)
            return day, day + timedelta(days=1)
        case "week":
            monday = date.fromisocalendar(int(name[:4]), int(name[-2:]), 1)
            return monday, monday + timedelta(days=7)
        case "month":
            first = date.fromisoformat(f"{name}-01")
            return first, (first + timedelta(days=31)).replace(day=1)
        case "year":
            return date(int(name), 1, 1), date(int(name) + 1, 1, 1)
    return None, None


def _midnight(day: date | None) -> str | None:
    return None if day is None else f"{day.isoformat()}T00:00:00Z"


def _forecast(ledger: Ledger, balance: Balance) -> dict[str, object]:
    """When the cap of the lifetime is reached if what is spent goes on as in the last days, from the ledger alone."""
    now = datetime.now(UTC)
    pace = _pace(ledger, balance, now)
    reached = None if balance.cap == UNLIMITED else _reached_on(pace, balance, now)
    return {
        "pace": {
            "rho_per_day": plain(Fraction(ceil(pace.spent.rho_nano / pace.days), NANO)),
            "delta_per_day": plain(Fraction(ceil(pace.spent.delta_atto / pace.days), ATTO)),
            "days": ceil(pace.days),
        },
        "cap_reached_on": None if reached is None else reached.isoformat(),
        "words": _forecast_words(pace, balance, reached),
    }


def _pace(ledger: Ledger, balance: Balance, now: datetime) -> _Pace:
    """What was spent in the last 28 days, or since the first charge, but on one day at the least."""
    since = now - timedelta(days=PACE_DAYS)
    found = ledger.spending(balance.account.id, f"{since:%Y-%m-%dT%H:%M:%S.%fZ}")
    if found.first_charge is None:
        return _Pace(ZERO, Fraction(PACE_DAYS))
    start = max(since, datetime.fromisoformat(found.first_charge))
    days = Fraction((now - start) // timedelta(seconds=1), 86_400)
    return _Pace(balance.spent.minus(found.before), max(days, Fraction(1)))


def _reached_on(pace: _Pace, balance: Balance, now: datetime) -> date | None:
    if balance.remaining.rho_nano == 0:
        return now.date()
    days = pace.days_for(balance.remaining)
    return None if days is None or days > _FAR_DAYS else (now + timedelta(days=float(days))).date()


def _forecast_words(pace: _Pace, balance: Balance, reached: date | None) -> str:
    if balance.cap == UNLIMITED:
        return "This account has no cap of its own for its lifetime."
    if balance.remaining.rho_nano == 0:
        return "The cap is reached."
    period = f"the last {ceil(pace.days)} days" if pace.days > 1 else "the last day"
    if pace.spent == ZERO:
        return f"Nothing was spent in {period}."
    if reached is None:
        return f"At the pace of {period}, the cap lasts for more than a hundred years."
    return f"At the pace of {period}, the cap is reached on {reached.isoformat()}."


def _queries_left(ledger: Ledger, balance: Balance, meters: Sequence[Balance]) -> int | None:
    """For how many more queries like the last charged one this account and those above it suffice now.

    None without such a query, and with blocks, where that depends on the months that are asked about: a quote tells.
    """
    last = _last_loss(ledger, balance)
    if last is None or any(kind_of(each.meter) == BLOCK for each in meters):
        return None
    path, parent = list(meters), balance.account.parent
    while parent is not None:
        above = ledger.meters(parent)
        path += above
        parent = above[0].account.parent
    counted = [each for each in path if kind_of(each.meter) in (LIFETIME, *WINDOWS) and each.cap != UNLIMITED]
    return min((_times(each.remaining, last) for each in counted), default=None)


def _last_loss(ledger: Ledger, balance: Balance) -> PrivacyLoss | None:
    account = balance.account
    found = ledger.queries(principal=account.owner, dataset=account.dataset, before=None, limit=_SEARCHED_QUERIES)
    of_account = (r for r in found if r.account_id == account.id or r.account_id.startswith(f"{account.id}/"))
    return next((r.loss for r in of_account if r.state in _CHARGED and r.loss != ZERO), None)


def _times(rest: PrivacyLoss, loss: PrivacyLoss) -> int:
    pairs = ((rest.rho_nano, loss.rho_nano), (rest.delta_atto, loss.delta_atto))
    return min(left // used for left, used in pairs if used)
