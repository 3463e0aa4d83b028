"""Policies: what is accepted, and that every mistake is named with its line."""

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.errors import PolicyError
from queries.policy import (
    Bound,
    Budget,
    Column,
    Limit,
    PersonBudget,
    Policy,
    Purpose,
    QueryLimits,
    Reliability,
    Retention,
    SensitiveGroup,
    SharedBudget,
    Table,
    Unit,
    load_policy,
)

FIXTURES = Path(__file__).parents[1] / "sql" / "policy"
VALID = sorted((FIXTURES / "valid").glob("*.yaml"))
REFUSED = sorted((FIXTURES / "refused").glob("*.yaml"))
SHOP = (FIXTURES / "valid" / "shop.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shop() -> Policy:
    return load_policy(SHOP)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_sound_policy_is_accepted(path: Path) -> None:
    assert load_policy(path.read_text(encoding="utf-8"), path.name).dataset == path.stem


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_every_mistake_is_named_with_its_line_and_path(path: Path) -> None:
    expected = path.with_suffix(".problems").read_text(encoding="utf-8").rstrip("\n")
    with pytest.raises(PolicyError) as refusal:
        load_policy(path.read_text(encoding="utf-8"), path.name)
    assert str(refusal.value) == expected
    assert refusal.value.__notes__ == [f"in {path.name}"]


def test_every_refused_policy_has_its_problems_and_there_are_many() -> None:
    assert {path.stem for path in REFUSED} == {path.stem for path in (FIXTURES / "refused").glob("*.problems")}
    assert len(REFUSED) >= 25


def test_numbers_are_exact(shop: Policy) -> None:
    assert shop.budget.delta == Fraction(1, 10**6)
    assert shop.budget.conversion_delta == Fraction(8, 10**7)
    assert shop.query.default_epsilon == Fraction(1, 10)
    assert shop.tables["lines"].columns["amount"].range == (Decimal(-100), Decimal(100))
    assert shop.tables["lines"].columns["amount"].stored_range == (-10_000, 10_000)


def test_the_bound_with_exactly_these_keys_wins_over_the_default(shop: Policy) -> None:
    assert shop.l2_bound("lines.amount", frozenset()) == 250
    assert shop.l2_bound("lines.amount", frozenset({"products.department"})) == Fraction(241, 2)
    assert shop.l2_bound("lines.amount", frozenset({"products.department", "lines.day"})) == 250
    assert shop.l2_bound("rows", frozenset({"lines.day"})) == 80
    assert shop.l2_bound("lines.pieces", frozenset()) is None


def test_a_bound_with_no_keys_at_all_is_for_queries_without_groups() -> None:
    text = SHOP.replace(
        "  - {measure: rows, l2: 80}", "  - {measure: rows, l2: 80}\n  - {measure: rows, l2: 9, keys: []}"
    )
    policy = load_policy(text)
    assert policy.l2_bound("rows", frozenset()) == 9
    assert policy.l2_bound("rows", frozenset({"lines.day"})) == 80


def test_rows_are_private_unless_a_source_says_where_everybody_has_them(shop: Policy) -> None:
    assert shop.public_rows is None
    declared = load_policy(f"{SHOP}public_rows: {{source: 'published by a museum in 1901'}}\n")
    assert declared.public_rows is not None
    assert declared.public_rows.source == "published by a museum in 1901"


def test_public_values_are_known_from_the_policy_alone(shop: Policy) -> None:
    lines, cards = shop.tables["lines"].columns, shop.tables["cards"].columns
    assert cards["age"].public_values == ("18-34", "35-64", "65+")
    assert lines["pieces"].public_values == tuple(range(51))
    assert lines["amount"].public_values is None
    assert lines["product_id"].public_values is None
    days = lines["day"].public_values
    assert days is not None
    assert (days[0], days[-1], len(days)) == (date(2026, 1, 1), date(2026, 12, 31), 365)


def test_the_unit_column_is_no_visible_column(shop: Policy) -> None:
    assert list(shop.tables["lines"].visible_columns()) == ["product_id", "day", "pieces", "amount"]


RULES = {
    "deny": ("rule: deny", (0,), (), (0,)),
    "coarsen": ("rule: coarsen\n    parent: department", (), (), ()),
    "allow_for": ("rule: allow_for\n    purposes: [health]", (0,), (), ()),
    "allow_for_coarsened": ("rule: allow_for\n    parent: department\n    purposes: [health]", (), (0,), ()),
}


@pytest.mark.parametrize(("rule", "denied", "restored", "denied_for_purpose"), RULES.values(), ids=RULES)
def test_a_sensitive_group_is_denied_coarsened_or_open_for_its_purposes(
    rule: str, denied: tuple[int, ...], restored: tuple[int, ...], denied_for_purpose: tuple[int, ...]
) -> None:
    policy = load_policy(SHOP.replace("rule: coarsen\n    parent: department", rule))
    for purpose in (None, "curiosity"):
        assert (policy.sensitive_view(purpose).denied, policy.sensitive_view(purpose).restored) == (denied, ())
    view = policy.sensitive_view("health")
    assert (view.denied, view.restored) == (denied_for_purpose, restored)
    reference = policy.sensitive_reference("lines")
    assert reference is not None
    assert (reference.column, reference.mark, reference.original) == (
        "product_id",
        "_sensitive",
        "_original_product_id",
    )
    assert policy.sensitive_reference("cards") is None


def test_every_entry_of_a_policy_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
    models = (Policy, Unit, Budget, QueryLimits, PersonBudget, Table, Column, Bound, Retention, SensitiveGroup)
    entries = {entry for model in (*models, Reliability, Limit, Purpose, SharedBudget) for entry in model.model_fields}
    assert [entry for entry in sorted(entries) if not re.search(rf"\b{entry}\b", page)] == []


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(PolicyError, match="larger than"):
        load_policy(SHOP + "#" * 2**20)


@settings(max_examples=150)
@given(st.data())
def test_no_text_fails_in_another_way_than_with_a_policy_error(data: st.DataObject) -> None:
    lines = SHOP.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        index = data.draw(st.integers(0, len(lines) - 1))
        key, colon, _ = lines[index].partition(":")
        change = data.draw(st.sampled_from(["drop", "value", "text", "indent", "twice"]))
        odd = data.draw(st.sampled_from(["[]", "{}", "null", "[1, [2]]", "-1", "1e999", "{a: b}", "'x'", "true", "~"]))
        lines[index] = {
            "drop": "",
            "value": f"{key}{colon} {odd}",
            "text": f"{key}{colon}{data.draw(st.text(max_size=5))}",
            "indent": f"  {lines[index]}",
            "twice": f"{lines[index]}\n{lines[index]}",
        }[change]
    assert all(1 <= line <= len(lines) + 4 for line in _lines_of_problems("\n".join(lines)))


def _lines_of_problems(text: str) -> list[int]:
    try:
        load_policy(text)
    except PolicyError as error:
        return [problem.line for problem in error.problems]
    return []
