"""Requests are closed and bounded, and prices are exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from queries.targets import Target
from service import strict_json
from service.schemas import SQL_BYTES_MAX, BudgetChange, KeyRequest, QueryBody

QUESTION: dict[str, Any] = {"dataset": "journey", "sql": "SELECT COUNT(*) FROM purchases"}


def body(**members: object) -> QueryBody:
    return QueryBody.model_validate({**QUESTION, **members})


@pytest.mark.parametrize(
    ("epsilon", "exact"),
    [
        (1, Fraction(1)), ("1", Fraction(1)), (Decimal("0.1"), Fraction(1, 10)), ("0.1", Fraction(1, 10)),
        ("1e-3", Fraction(1, 1000)), (Decimal("0.10000000000000000001"), Fraction("0.10000000000000000001")),
    ],
)  # fmt: skip
def test_epsilon_is_read_exactly(epsilon: object, exact: Fraction) -> None:
    assert body(epsilon=epsilon).epsilon == exact


TARGETS: list[dict[str, object]] = [
    {}, {"error": 0}, {"error": -1}, {"error": None}, {"error": True}, {"error": "NaN"}, {"error": "Infinity"},
    {"error": Decimal("1e13")}, {"error": 1, "confidence": 0}, {"error": 1, "confidence": Decimal("0.49")},
    {"error": 1, "confidence": Decimal("0.9991")}, {"error": 1, "confidence": 95}, {"error": 1, "confidence": None},
    {"error": 1, "column": ""}, {"error": 1, "column": "x" * 201}, {"error": 1, "unit": "dollars"},
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_that_is_none_is_refused(target: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        body(target=target)


@pytest.mark.parametrize("error", ["1e-9", "0.5", "1000000000000"])
@pytest.mark.parametrize("confidence", ["0.5", "0.95", "0.999"])
def test_a_target_is_read_exactly(error: str, confidence: str) -> None:
    for read in (str, Decimal):
        target = body(target={"error": read(error), "confidence": read(confidence), "column": "Spend"}).wanted()
        assert target == Target(Fraction(error), Fraction(confidence), "spend")
    assert body(target={"error": 1}).wanted() == Target(Fraction(1), Fraction(19, 20), None)
    assert body().wanted() is None


@pytest.mark.parametrize("members", [("epsilon", "rho"), ("epsilon", "target"), ("rho", "target")])
def test_there_is_one_price(members: tuple[str, str]) -> None:
    given_ = {"epsilon": 1, "rho": 1, "target": {"error": 1}}
    with pytest.raises(ValidationError, match="give one of epsilon, rho and target"):
        body(**{name: given_[name] for name in members})


def test_members_that_are_not_given_are_no_part_of_a_requests_digest() -> None:
    known = "d4aeeae6ff3a805c60ad5e99cfb6abdb01646cfc6f692d9a3eb7e5f2b551e1d5"
    assert body(epsilon="0.1", options={"l2_bound": {"a": 1}}).digest() == known


@given(st.decimals(min_value="1e-9", max_value="1e6", places=9))
def test_every_price_in_range_survives_exactly(price: Decimal) -> None:
    assert body(rho=str(price)).rho == Fraction(price)
    assert body(rho=price).rho == Fraction(price)


@pytest.mark.parametrize(
    "text",
    [
        "0", "-1", "1e-320", "1e309", "1e308", "1e999999999", "1e-999999999", "true", "false", '"NaN"',
        '"Infinity"', '"-1"',
        '"0"', '""', '" 1"', '"1 "', '"1_0"', '"\\u0661"', '"0x1"', '"one"',
        "[]", "{}", "[1]", '"1/3"', '"' + "1" * 41 + '"',
        "0.0000000001", "1000000.1", '"sNaN"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("member", ["epsilon", "rho", "max_epsilon"])
def test_a_price_that_is_none_is_refused(member: str, text: str) -> None:
    with pytest.raises(ValidationError):
        body(**{member: strict_json.loads(text.encode())})


@pytest.mark.parametrize(
    "members",
    [
        {"target": {}}, {"Epsilon": 1}, {"epsilon": 1, "rho": 1}, {"sql": ""}, {"sql": 1},
        {"sql": "x" * (SQL_BYTES_MAX + 1)},
        {"sql": "ö" * (SQL_BYTES_MAX // 2 + 1)}, {"dataset": "Journey"}, {"dataset": "../etc"}, {"dataset": ""},
        {"dry_run": 1}, {"dry_run": "true"}, {"reuse": "always"}, {"purpose": ""}, {"purpose": "x" * 201},
        {"params": []}, {"params": {"a": []}}, {"params": {"a": [[1]]}}, {"params": {"a": [1] * 1001}},
        {"params": {"0": 1}}, {"params": {"A": 1}}, {"params": {"a": {"type": "DATE"}}}, {"params": {"a": {}}},
        {"params": {"a": {"type": "JSON", "value": 1}}}, {"params": {"a": {"type": "DATE", "value": 1, "x": 1}}},
        {"params": {"a": {"type": "DATE", "value": {"type": "DATE", "value": 1}}}},
        {"params": {"a": ["x" * 1001]}}, {"options": {"privacy_unit_column": "A b"}}, {"params": {"a b": 1}},
        {"params": {"a": 2**63}},
        {"params": {"a": "x" * 1001}}, {"params": {"a": Decimal("1e999999999")}},
        {"params": {f"p{n}": n for n in range(101)}}, {"options": []}, {"options": {"unknown": 1}},
        {"options": {"max_groups_contributed": 0}}, {"options": {"max_groups_contributed": True}},
        {"options": {"max_groups_contributed": Decimal(1)}}, {"options": {"delta": 1}}, {"options": {"delta": 0}},
        {"options": {"contribution_bounds_per_group": {"a": [2, 1]}}},
        {"options": {"contribution_bounds_per_row": {"a": [1]}}},
        {"options": {"l2_bound": "automatic"}}, {"options": {"l2_bound": {"a": "automatic"}}},
        {"options": {"l2_bound": {f"a{n}": 1 for n in range(101)}}}, {"options": {"l2_bound": ["auto"]}},
        {"options": {"l2_bound": {"a": 0}}}, {"options": {"l2_bound": {"a": "Infinity"}}},
        {"options": {"group_selection_strategy": "MAGIC"}}, {"options": {"min_privacy_units_per_group": -1}},
    ],
)  # fmt: skip
def test_what_is_not_in_the_schema_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        body(**members)


@pytest.mark.parametrize(
    ("given", "passed"), [("auto", "auto"), ({"a": "auto", "b": "2.5"}, {"a": "auto", "b": Fraction(5, 2)})]
)
def test_a_bound_may_be_left_to_the_data(given: object, passed: object) -> None:
    assert body(options={"l2_bound": given}).option_values() == {"l2_bound": passed}


def test_parameters_are_passed_on_as_they_are() -> None:
    params = {"a": {"value": ["2017-01-31", None], "type": "date"}, "1": [1, Decimal("2.5"), "x", True], "b": None}
    assert body(params=params).params == {**params, "a": {"type": "DATE", "value": ["2017-01-31", None]}}


@pytest.mark.parametrize("member", ["dataset", "sql"])
def test_dataset_and_sql_are_needed(member: str) -> None:
    with pytest.raises(ValidationError):
        QueryBody.model_validate({name: value for name, value in QUESTION.items() if name != member})


def test_the_digest_tells_questions_apart_and_nothing_else() -> None:
    same = [body(), body(dry_run=True), body(reuse="prefer", params={}, options={})]
    assert len({question.digest() for question in same}) == 1
    different = [
        body(), body(sql="SELECT 1"), body(epsilon=1), body(rho=1), body(max_epsilon=1), body(reuse="never"),
        body(purpose="a"),
        body(params={"a": 1}), body(params={"a": "1"}), body(params={"a": True}), body(params={"a": None}),
        body(params={"a": "None"}), body(params={"a": Decimal(1)}), body(params={"a": [1]}), body(params={"a": ["1"]}),
        body(params={"a": {"type": "INT64", "value": 1}}), body(params={"a": {"type": "INT64", "value": "1"}}),
        body(params={"a": {"type": "FLOAT64", "value": 1}}), body(params={"a": {"type": "INT64", "value": [1]}}),
        body(params={"1": 1}), body(options={"privacy_unit_column": "a"}),
        body(options={"max_groups_contributed": 1}),
        body(options={"l2_bound": "auto"}), body(options={"l2_bound": {"a": "auto"}}),
        body(options={"l2_bound": {"a": 1}}), body(dataset="other"), body(target={"error": 1}),
        body(target={"error": 2}), body(target={"error": 1, "confidence": "0.9"}),
        body(target={"error": 1, "column": "a"}),
    ]  # fmt: skip
    assert len({question.digest() for question in different}) == len(different)


@pytest.mark.parametrize("reason", ["", "1234", "     ", "1234      ", "x" * 501, 1, None])
def test_a_change_of_budget_needs_a_reason(reason: object) -> None:
    with pytest.raises(ValidationError):
        BudgetChange.model_validate({"epsilon": "5", "reason": reason})


@pytest.mark.parametrize(
    "members",
    [{"owner": "Maria"}, {"owner": ""}, {"owner": "a/b"}, {"role": "root"}, {"expires_in_days": 0}, {"key": "mine"}],
)
def test_a_key_has_a_plain_owner_and_one_known_role(members: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        KeyRequest.model_validate({"owner": "maria", "role": "analyst", **members})
