"""Opt-outs and erasures as officers ask for them: checked by the policy alone, and recorded without a look at rows."""

from __future__ import annotations

from collections.abc import Sequence

from queries.exclusion_list import Asked, ExclusionList
from queries.exclusions import check_level, check_reason, unit_texts
from queries.policy import Policy


def record(listed: ExclusionList, policy: Policy, asked: Asked, ids: Sequence[str | int]) -> None:
    """Notes it durably of each id; what is done is the same whether or not the data have such a unit.

    Raises ExclusionError for what the policy, which is public, does not allow, and ExclusionListError.
    """
    check_level(policy, asked.level)
    texts = unit_texts(policy, ids)
    check_reason(asked.reason, texts)
    listed.record(asked, texts)
