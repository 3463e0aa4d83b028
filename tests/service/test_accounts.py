"""Accounts: opened as the policy declares them; each query is paid from one, and from all above it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from budgets.errors import UnknownAccountError
from budgets.ledger import Ledger
from budgets.meters import kind_of
from queries.policy import load_policy
from service.accounts import cap_of, open_accounts, paying_account_id
from tests.budgets.ledger_samples import Clock, open_ledger
from tests.service.fakes import POLICY_TEXT

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
