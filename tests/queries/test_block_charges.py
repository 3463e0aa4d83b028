"""What a release takes of each meter."""

from __future__ import annotations

import pytest

from budgets.errors import InvalidPrivacyLossError
from budgets.privacy_loss import LARGEST, PrivacyLoss
from queries import drafts
from queries.block_charges import NO_BLOCKS, TouchedBlocks, of_group, together
from queries.errors import IllegalPlanError, PriceError
from tests.queries.retailer import planned
from tests.queries.test_months import SCHEMA

LOSS = PrivacyLoss(7)


def test_each_month_pays_the_price_and_what_spans_months_its_square() -> None:
    touched = TouchedBlocks(("2026-01", "2026-03"), account_steps=2, static_steps=4)
    assert touched.charges(LOSS) == {
        "lifetime": PrivacyLoss(28),
        "block:2026-01": LOSS,
        "block:2026-03": LOSS,
        "static": PrivacyLoss(112),
    }


def test_without_blocks_there_is_the_lifetime_alone() -> None:
    assert NO_BLOCKS.charges(PrivacyLoss(7, 3)) == {"lifetime": PrivacyLoss(7, 3)}


def test_one_month_pays_its_delta_too() -> None:
    loss = PrivacyLoss(7, 3)
    assert TouchedBlocks(("2026-01",), 1, 1).charges(loss) == dict.fromkeys(
        ("lifetime", "block:2026-01", "static"), loss
    )


def test_a_delta_of_several_units_has_no_charge() -> None:
    with pytest.raises(IllegalPlanError):
        of_group(PrivacyLoss(7, 1), 2)


def test_releases_add_up_meter_by_meter() -> None:
    one, other = TouchedBlocks(("2026-01",)), TouchedBlocks(("2026-01", "2026-02"), 2)
    assert together([one.charges(LOSS), other.charges(LOSS)]) == {
        "lifetime": PrivacyLoss(7 + 28),
        "block:2026-01": PrivacyLoss(14),
        "block:2026-02": LOSS,
    }
    assert together([]) == {}


def test_the_charges_of_a_plan_are_those_of_its_releases() -> None:
    sql = (
        "SELECT (SELECT COUNT(*) FROM lines) AS n, (SELECT COUNT(*) FROM customers) AS c, "
        "(SELECT SUM(amount) FROM lines JOIN customers USING (household_id) WHERE day < DATE '2026-03-01') AS s"
    )
    plan = planned(sql, schema=SCHEMA)
    whole, static, two = (node.loss.rho_nano for node in plan.nodes)
    assert {meter: loss.rho_nano for meter, loss in plan.charges.items()} == {
        "lifetime": 16 * whole + static + 4 * two,
        "block:2026-01": whole + two,
        "block:2026-02": whole + two,
        "block:2026-03": whole,
        "block:2026-04": whole,
        "static": static + 4 * two,
    }


def test_what_is_beyond_the_largest_loss_is_refused_before_anything_is_charged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sql = "SELECT COUNT(*) AS n FROM lines"
    monkeypatch.setattr(drafts, "touched_blocks", lambda *_: TouchedBlocks(("2026-01",), 1 << 17))
    with pytest.raises(InvalidPrivacyLossError):
        of_group(PrivacyLoss(10**9), 1 << 17)
    with pytest.raises(PriceError) as raised:
        planned(sql, schema=SCHEMA)
    assert raised.value.code == "invalid-price"
    assert of_group(PrivacyLoss(LARGEST // 4), 2).rho_nano == LARGEST
