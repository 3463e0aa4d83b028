"""The demo's policy declares none of the bounds that the benchmarks compare with, and takes all of them."""

import pytest

from benchmarks.datasets import with_declared_bounds
from queries.policy import load_policy
from service.demo import demo_policy


def test_the_declared_bounds_are_added_to_those_of_the_demo() -> None:
    own, declared = load_policy(demo_policy()).bounds, load_policy(with_declared_bounds(demo_policy())).bounds
    assert declared[-len(own) :] == own
    assert {bound.measure for bound in declared[: -len(own)]} >= {"rows", "units", "purchases.amount"}
    assert all(bound.measure.startswith("values ") for bound in own)


def test_a_policy_without_bounds_of_its_own_takes_none() -> None:
    with pytest.raises(ValueError, match="no section"):
        with_declared_bounds("dataset: journey\n")
