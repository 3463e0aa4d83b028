"""Accounts: opened as the policy declares them; each query is paid from one, and from all above it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from budgets.errors import UnknownAccountError
from budgets.ledger import UNLIMITED, Ledger
from budgets.meters import kind_of
from queries.policy import load_policy
from service.accounts import cap_of, largest_share, open_accounts, paying_account_id
from tests.budgets.ledger_samples import Clock, open_ledger
from tests.service.fakes import LIFETIME_TOO, MONTHLY_TEXT, POLICY_TEXT

GROUPS = """purposes:
  health: {label: studies}
  assortment: {label: shelves}
accounts:
  marketing: {kind: team, epsilon: 4, windows: {week: {epsilon: 1}}}
  studies: {kind: purpose, purpose: health, epsilon: 3, delta_for_thresholds: 0}
persons:
  analyst: {epsilon: "8", windows: {day: {epsilon: 1}}}
  maria: {epsilon: 2, under: marketing}
  noor: {epsilon: 1, under: [marketing, studies]}
  olu: {epsilon: 1, under: studies}
"""
TEAMS = load_policy(POLICY_TEXT.replace('persons:\n  analyst: {epsilon: "8"}\n  dashboard: {epsilon: "8"}\n', GROUPS))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path, Clock())
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("person", "purpose", "account"),
    [
        ("analyst", None, "shop/person/analyst"),
        ("analyst", "assortment", "shop/person/analyst"),
        ("maria", None, "shop/team/marketing/person/maria"),
        ("maria", "assortment", "shop/team/marketing/person/maria"),
        ("noor", None, "shop/team/marketing/person/noor"),
        ("noor", "health", "shop/purpose/studies/person/noor"),
        ("olu", "health", "shop/purpose/studies/person/olu"),
        ("nobody", None, "shop/person/nobody"),
    ],
)
def test_a_query_is_paid_from_its_purpose_or_the_team_or_the_person(
    person: str, purpose: str | None, account: str
) -> None:
    assert paying_account_id(TEAMS, person, purpose) == account


@pytest.mark.parametrize(
    ("person", "purpose"),
    [("analyst", "health"), ("maria", "health"), ("nobody", "health"), ("olu", None), ("olu", "assortment")],
)
def test_who_is_not_under_the_account_of_a_purpose_has_none_for_it(person: str, purpose: str | None) -> None:
    with pytest.raises(UnknownAccountError):
        paying_account_id(TEAMS, person, purpose)


def test_all_declared_accounts_are_opened_with_their_windows(ledger: Ledger) -> None:
    for _ in range(2):
        open_accounts(ledger, TEAMS)
    found = {balance.account.id: balance for balance in ledger.accounts("shop")}
    assert {name: balance.account.parent for name, balance in found.items()} == {
        "shop": None,
        "shop/team/marketing": "shop",
        "shop/purpose/studies": "shop",
        "shop/person/analyst": "shop",
        "shop/team/marketing/person/maria": "shop/team/marketing",
        "shop/team/marketing/person/noor": "shop/team/marketing",
        "shop/purpose/studies/person/noor": "shop/purpose/studies",
        "shop/purpose/studies/person/olu": "shop/purpose/studies",
    }
    assert found["shop/purpose/studies"].cap.delta_atto == 0
    assert found["shop/team/marketing"].account.owner is None
    assert found["shop/team/marketing/person/noor"].account.owner == "noor"
    assert [(b.meter, b.cap) for b in ledger.meters("shop/team/marketing")][1] == (
        "week:2026-W48",
        cap_of(TEAMS, TEAMS.accounts["marketing"].windows["week"].epsilon, TEAMS.budget.delta_for_thresholds),
    )
    assert [kind_of(balance.meter) for balance in ledger.meters("shop/person/analyst")] == ["lifetime", "day"]


def test_a_window_that_a_policy_adds_is_in_force_and_one_that_it_has_changed_is_not(ledger: Ledger) -> None:
    """Caps that are there are for officers to change; a window that was not there allows less."""
    plain = load_policy(POLICY_TEXT)
    declared = [
        load_policy(POLICY_TEXT.replace('{epsilon: "8"}', f'{{epsilon: "8", windows: {{month: {{epsilon: "{n}"}}}}}}'))
        for n in (1, 3)
    ]
    for policy in (plain, *declared):
        open_accounts(ledger, policy)
    caps = [balance.cap for balance in ledger.meters("shop/person/analyst")]
    share = plain.budget.delta_for_thresholds
    assert caps == [cap_of(plain, declared[0].persons["analyst"].epsilon, share), cap_of(plain, share * 0 + 1, share)]


@pytest.mark.parametrize("text", [MONTHLY_TEXT, LIFETIME_TOO], ids=["of months alone", "of the lifetime too"])
def test_with_blocks_a_cap_is_that_of_each_month_and_the_lifetime_has_one_where_it_is_declared(
    ledger: Ledger, text: str
) -> None:
    policy = load_policy(text, "months")
    open_accounts(ledger, policy)
    caps = {each.meter: each.cap for each in ledger.meters("months")}
    month = cap_of(policy, policy.budget.epsilon, policy.budget.delta_for_thresholds)
    whole = cap_of(policy, Fraction(60), Fraction("4.2e-6")) if text is LIFETIME_TOO else UNLIMITED
    assert caps == {"lifetime": whole, "block": month, "static": month}
    own = {each.meter: each.cap for each in ledger.meters("months/person/analyst")}
    assert own["lifetime"] == UNLIMITED
    assert own["block"] == cap_of(policy, Fraction(8), policy.budget.delta_for_thresholds)


def test_the_lifetime_beside_blocks_may_have_the_delta_that_goes_with_its_epsilon() -> None:
    assert largest_share(load_policy(POLICY_TEXT, "shop"), "lifetime") == Fraction("2e-7")
    assert largest_share(load_policy(LIFETIME_TOO, "months"), "block") == Fraction("2e-7")
    assert largest_share(load_policy(LIFETIME_TOO, "months"), "lifetime") == Fraction("4.2e-6")
    assert largest_share(load_policy(MONTHLY_TEXT, "months"), "lifetime") == Fraction("0.001") - Fraction("8e-7")
