"""The transparency report, made of the ledger and the policies: no private row is read for it.

It tells nothing that the answers themselves do not: how many questions were asked, never how many were refused (they
leave no entry) nor how many did not finish (whether one does may depend on the rows). Names of persons and the text of
questions are left out: they say more of the persons who ask than of those who are asked about.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from statistics import NormalDist
from typing import Any, Final

from budgets.evidence.chain import Chain, ReadableLedger, changes, entry_at
from budgets.ledger import UNLIMITED, Balance, Entry, QueryRecord
from budgets.meters import BLOCK, LIFETIME, STATIC, WINDOWS, kind_of
from budgets.privacy_loss import PrivacyLoss
from queries.policy import Policy, SensitiveGroup
from service.accounts import epsilon_text, plain
from service.catalogue import Catalogue
from service.reports.document import (
    Block,
    Blocks,
    Change,
    DatasetReport,
    Evidence,
    Guess,
    Publisher,
    Purpose,
    Recorded,
    Released,
    SensitiveRule,
    Transparency,
)
from service.responses import Loss
from service.settings import Settings

_PAGE: Final = 1_000
_CHARGED: Final = frozenset({"begun", "settled", "failed"})
_WHAT: Final = {"account-opened": "Budget{} opened", "cap-set": "Budget{} changed"}
_WITHIN: Final = {LIFETIME: "", BLOCK: " for each month", STATIC: " for rows without a day"} | {
    window: f" within a {window}" for window in WINDOWS
}
_NOT_TOLD: Final = [
    "Single purchases, customers and exact figures: nobody who asks gets them, and this report neither.",
    "How many questions were refused: a refusal leaves no record, and depends on the question alone.",
    "How many questions did not finish: whether one does may depend on the purchases. They count as asked and paid.",
    "The names of those who ask, and the text of their questions. Auditors see both.",
]


def transparency(
    settings: Settings, ledger: ReadableLedger, catalogue: Catalogue, chain: Chain, key: str
) -> Transparency:
    """The report on all datasets that are served."""
    tree = chain.tree()
    newest = entry_at(ledger, tree.size)
    governed = list(changes(ledger))
    policies = [found.policy for found in map(catalogue.snapshot, catalogue.names()) if found is not None]
    return Transparency(
        title="What is asked about our customers, and what is told",
        made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        publisher=Publisher(
            name=settings.publisher_name or None,
            region=settings.publisher_region or None,
            contact=settings.publisher_contact or None,
        ),
        datasets=[_dataset(policy, ledger, governed, settings) for policy in policies],
        not_told=_NOT_TOLD,
        evidence=Evidence(
            entries=tree.size,
            root_hash=tree.root(tree.size if newest is None else newest.seq).hex(),
            ledger_head="" if newest is None else newest.hash,
            key=key,
        ),
    )


def asked(ledger: ReadableLedger, dataset: str) -> Iterator[QueryRecord]:
    """All questions on a dataset, newest first."""
    before: str | None = None
    while page := ledger.queries(principal=None, dataset=dataset, before=before, limit=_PAGE):
        yield from page
        before = page[-1].query_id


def right_percent(loss: PrivacyLoss) -> str:
    """In how many percent of cases, rounded up, an attacker is right at most: Φ(√(ρ/2)) + δ/2 (docs/promise.md)."""
    rho, delta = loss.rho_nano / 10**9, loss.delta_atto / 10**18
    right = NormalDist().cdf(math.sqrt(rho / 2)) + delta / 2
    return format(Decimal(min(right, 1.0) * 100).quantize(Decimal("0.1"), rounding=ROUND_CEILING), "f")


def _dataset(policy: Policy, ledger: ReadableLedger, governed: Iterable[Entry], settings: Settings) -> DatasetReport:
    meters = ledger.meters(policy.dataset)
    balance, limited = meters[0], meters[0].cap != UNLIMITED
    return DatasetReport(
        dataset=policy.dataset,
        title=policy.title,
        description=policy.description,
        unit=policy.unit.label,
        recorded=[Recorded(table=name, columns=list(table.columns)) for name, table in policy.private_tables().items()],
        public_tables=list(policy.public_tables()),
        public_rows=None if policy.public_rows is None else policy.public_rows.source,
        persons=len(policy.persons),
        spent=_guess(balance.spent, policy),
        cap=_guess(balance.cap, policy) if limited else None,
        spent_percent=_spent_percent(balance) if limited else None,
        blocks=_blocks(meters, policy),
        released=_released(asked(ledger, policy.dataset)),
        changes=[_change(entry, policy) for entry in governed if _dataset_of(entry.facts) == policy.dataset],
        sensitive=[SensitiveRule(label=group.label, rule=_rule(group)) for group in policy.sensitive],
        retention=_retention(policy),
        opting_out=_opting_out(settings),
    )


def _blocks(meters: Iterable[Balance], policy: Policy) -> Blocks | None:
    found = {balance.meter: balance for balance in meters if kind_of(balance.meter) in (BLOCK, STATIC)}
    limit = found.pop(BLOCK, None)
    if limit is None:
        return None
    return Blocks(
        cap=_guess(limit.cap, policy),
        touched=[
            Block(name=_block_name(meter), spent=_guess(each.spent, policy), spent_percent=_spent_percent(each))
            for meter, each in sorted(found.items())
            if each.spent.rho_nano
        ],
    )


def _block_name(meter: str) -> str:
    """A month as people write it.

    >>> _block_name("block:2026-11"), _block_name("static")
    ('November 2026', 'Rows without a day')
    """
    if meter == STATIC:
        return "Rows without a day"
    return date.fromisoformat(f"{meter.removeprefix(f'{BLOCK}:')}-01").strftime("%B %Y")


def _guess(loss: PrivacyLoss, policy: Policy) -> Guess:
    shown = Loss(
        epsilon=epsilon_text(loss, policy.budget.conversion_delta),
        delta=plain(Fraction(loss.delta_atto, 10**18)),
        rho=plain(Fraction(loss.rho_nano, 10**9)),
    )
    return Guess(loss=shown, right_percent=right_percent(loss))


def _spent_percent(balance: Balance) -> str:
    if not balance.cap.rho_nano:
        return "100"
    part = Decimal(balance.spent.rho_nano * 100) / Decimal(balance.cap.rho_nano)
    return format(part.quantize(Decimal("0.1"), rounding=ROUND_CEILING), "f")


def _released(questions: Iterable[QueryRecord]) -> Released:
    counts: Counter[str] = Counter()
    purposes: Counter[str | None] = Counter()
    days: list[str] = []
    for record in questions:
        if record.reused or record.state in _CHARGED:
            counts["free" if record.reused else "charged"] += 1
            purposes[record.description.get("purpose")] += 1
            days.append(record.at[:10])
    return Released(
        questions=counts["charged"],
        free_repeats=counts["free"],
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        by_purpose=[
            Purpose(purpose=purpose, questions=number)
            for purpose, number in sorted(purposes.items(), key=lambda item: (-item[1], item[0] or ""))
        ],
    )


def _change(entry: Entry, policy: Policy) -> Change:
    facts = entry.facts
    words = _WHAT.get(entry.kind, entry.kind.replace("-", " ").capitalize() + "{}")
    account = _account_of(facts)
    whose = "" if account is None else " of everybody together" if account == policy.dataset else " of one person"
    return Change(
        day=entry.at[:10], what=f"{words.format(whose)}{_cap(facts, policy)}", reason=str(facts.get("reason", ""))
    )


def _cap(facts: dict[str, Any], policy: Policy) -> str:
    """The caps that the change left, in words; empty where it is about something else."""
    caps = {
        p.get("meter", LIFETIME): PrivacyLoss(p["cap_rho_nano"], p.get("cap_delta_atto", 0))
        for p in facts.get("postings", [])
        if isinstance(p, dict) and "cap_rho_nano" in p
    }
    within = {**_WITHIN, LIFETIME: " in all"} if BLOCK in caps else _WITHIN
    told = [
        f"ε = {epsilon_text(cap, policy.budget.conversion_delta)}{within.get(meter, f' ({meter})')}"
        for meter, cap in caps.items()
        if cap != UNLIMITED
    ]
    return f": now {', '.join(told)}" if told else ""


def _account_of(facts: dict[str, Any]) -> str | None:
    account = facts.get("account")
    found = account.get("id") if isinstance(account, dict) else facts.get("account_id")
    return None if found is None else str(found)


def _dataset_of(facts: dict[str, Any]) -> str | None:
    found = facts.get("dataset") or _account_of(facts)
    return None if found is None else str(found).partition("/")[0]


def _rule(group: SensitiveGroup) -> str:
    hidden = f"shown only within {group.parent}" if group.is_coarsened else "left out of every answer"
    if not group.purposes:
        return hidden
    return f"{hidden}, but for questions that state one of these purposes: {', '.join(group.purposes)}"


def _retention(policy: Policy) -> str:
    since = "the load" if policy.retention.as_of is None else policy.retention.as_of.isoformat()
    return (
        f"Rows whose {policy.retention.column} lies more than {policy.retention.days:,} days before {since} are left "
        "out whenever the data are loaded, and so are customers who have no other row."
    )


def _opting_out(settings: Settings) -> str:
    where = settings.publisher_contact or "the shop that issued your card"
    return (
        f"Ask {where}. From the next load on none of your purchases is in the data. Figures that were published before "
        "stay published; with or without you they would look nearly the same, which is what the limit measures."
    )
