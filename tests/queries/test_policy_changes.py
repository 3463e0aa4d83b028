"""Differences of policies: what allows more is loosening, and what nobody thought of is, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from queries.policy import Policy, load_policy
from queries.policy_changes import _effect, loosens, policy_changes

TEAMS = (Path(__file__).parents[1] / "sql" / "policy" / "valid" / "teams.yaml").read_text(encoding="utf-8")
ALCOHOL = """  - name: alcohol
    label: beer and wine
    table: products
    column: category
    values: [beer, wine]
    rule: coarsen
    parent: department
"""
TOBACCO = """  - name: tobacco
    label: tobacco
    table: products
    column: category
    values: [cigars]
    rule: deny
"""
DENIED = ALCOHOL.replace("rule: coarsen\n    parent: department", "rule: deny")
ALLOWED = ALCOHOL.replace("rule: coarsen", "rule: allow_for\n    purposes: [health]")
HIDDEN = ALCOHOL.replace("rule: coarsen\n    parent: department", "rule: allow_for\n    purposes: [health]")
NOOR = "  noor: {epsilon: 1, under: [marketing, health_studies]}\n"
AMOUNT = 'amount: {type: decimal, scale: 2, range: ["-100.00", "100.00"]}'
AGE = '{type: string, nullable: true, domain: ["18-34", "35-64", "65+"]}'


def replaced(*pairs: tuple[str, str]) -> Policy:
    text = TEAMS
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return load_policy(text)


# What one writes, and what the other: the second allows more than the first.
LOOSER = [
    (("budget: {epsilon: 3", "budget: {epsilon: 3"), ("budget: {epsilon: 3", "budget: {epsilon: 4")),
    (("max_epsilon: 1", "max_epsilon: 1"), ("max_epsilon: 1", "max_epsilon: 2")),
    (("delta: 1e-6", "delta: 1e-6"), ("delta: 1e-6", "delta: 2e-6")),
    ((AMOUNT, AMOUNT), (AMOUNT, AMOUNT.replace('"100.00"', '"200.00"'))),
    ((AMOUNT, AMOUNT), (AMOUNT, "amount: {type: decimal, scale: 2}")),
    ((AMOUNT, AMOUNT.replace("scale: 2", "scale: 1").replace(".00", ".0")), (AMOUNT, AMOUNT)),
    ((AGE, AGE.replace(', "65+"', "")), (AGE, AGE)),
    (("l2: 80", "l2: 80"), ("l2: 80", "l2: 81")),
    (("days: 400", "days: 400"), ("days: 400", "days: 401")),
    ((ALCOHOL, ALCOHOL), (f"sensitive:\n{ALCOHOL}", "")),
    ((ALCOHOL, DENIED), (ALCOHOL, ALCOHOL)),
    ((ALCOHOL, DENIED), (ALCOHOL, DENIED.replace(", wine", ""))),
    ((ALCOHOL, ALCOHOL), (ALCOHOL, ALLOWED)),
    ((ALCOHOL, HIDDEN), (ALCOHOL, HIDDEN.replace("[health]", "[health, assortment]"))),
    ((ALCOHOL, ALCOHOL + TOBACCO), (ALCOHOL, ALCOHOL)),
    (("title: A", "title: A"), ("title: A", "public_rows: {source: everybody has these rows}\ntitle: A")),
    ((NOOR, ""), (NOOR, NOOR)),
    ((NOOR, NOOR), (NOOR, NOOR.replace("epsilon: 1", "epsilon: 2"))),
    (('{week: {epsilon: "0.5"}}', '{week: {epsilon: "0.5"}}'), (', windows: {week: {epsilon: "0.5"}}', "")),
    (("{day: {epsilon", "{day: {epsilon"), ('day: {epsilon: "0.5"}', 'day: {epsilon: "0.6"}')),
    (("  assortment: {label: which products are sold where}\n", ""), ("assortment", "assortment")),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second"), LOOSER)
def test_what_allows_more_is_loosening_and_the_way_back_is_tightening(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    strict, loose = replaced(first), replaced(second)
    assert loosens(policy_changes(strict, loose)), policy_changes(strict, loose)
    back = policy_changes(loose, strict)
    assert back
    assert not loosens(back), back


# Changes that allow more in one way or another, whichever way they go.
BOTH = [
    ("unit: {name: card", "unit: {name: household"),
    ("analyst: {epsilon: 2", "analyst: {under: marketing, epsilon: 2"),
    ("  - {measure: rows, l2: 80}\n", ""),
    (ALCOHOL, ALCOHOL.replace("[beer, wine]", "[beer]")),
    ("retention: {days: 400", "retention: {as_of: 2026-01-01, days: 400"),
]  # fmt: skip


@pytest.mark.parametrize("change", BOTH)
def test_what_is_not_known_to_be_harmless_is_loosening_in_both_directions(change: tuple[str, str]) -> None:
    plain, changed = replaced(), replaced(change)
    assert loosens(policy_changes(plain, changed))
    assert loosens(policy_changes(changed, plain))


def test_a_public_table_that_was_private_is_loosening() -> None:
    cards = "  cards:\n    visibility: private\n    unit_column: card_id\n    unique_per_unit: true\n"
    public = replaced((cards, "  cards:\n    visibility: public\n"))
    (found,) = (c for c in policy_changes(replaced(), public) if c.path == "tables.cards.visibility")
    assert (found.effect, found.words) == ("loosening", "tables.cards.visibility: private becomes public")
    (found,) = (c for c in policy_changes(public, replaced()) if c.path == "tables.cards.visibility")
    assert found.effect == "tightening"


def test_words_for_people_are_neutral() -> None:
    renamed = replaced(("title: A small shop", "title: Another"), ("beer and wine", "alcohol"))
    assert {change.effect for change in policy_changes(replaced(), renamed)} == {"neutral"}


def test_a_policy_written_otherwise_is_the_same() -> None:
    assert policy_changes(replaced(), replaced(("delta: 1e-6", 'delta: "0.000001"'))) == ()


def test_a_group_that_denies_may_come_first_and_one_that_coarsens_may_not() -> None:
    denying = policy_changes(replaced(), replaced((ALCOHOL, TOBACCO + ALCOHOL)))
    assert not loosens(denying)
    coarsening = TOBACCO.replace("rule: deny", "rule: coarsen\n    parent: department")
    assert loosens(policy_changes(replaced(), replaced((ALCOHOL, coarsening + ALCOHOL))))
    both = replaced((ALCOHOL, ALCOHOL + TOBACCO))
    turned = replaced((ALCOHOL, TOBACCO + ALCOHOL))
    assert [change.path for change in policy_changes(both, turned)] == ["order_of_sensitive"]
    assert loosens(policy_changes(both, turned))


def test_every_entry_of_a_new_policy_is_looked_at() -> None:
    """One that no rule knows counts as loosening: those that come into being later, too."""
    assert _effect(("later", "entry"), 1, 2) == "loosening"
    assert _effect(("tables", "lines", "columns", "amount", "later"), None, 2) == "loosening"
