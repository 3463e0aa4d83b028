"""Notices of bounds beside quotes and answers: which earlier releases tell of them, and how notices are shown.

Reads the ledger's stored releases and nothing else, before anything is spent (`queries/notices.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from fractions import Fraction

from budgets.ledger import Ledger
from queries.errors import PriceError, QueryNotPrivateError
from queries.evidence import Knowledge, Stored, earlier_releases, is_guess
from queries.notices import Notice as Found
from queries.notices import notices_after, notices_before
from queries.planned import QueryPlan
from queries.schema import Schema
from service.accounts import plain
from service.arrow import from_stream
from service.responses import Notice

# What units contribute changes slowly: by less than a factor of four in a year. That bounds are used again for less
# (`keep_bounds_days`) is about using them unseen.
STILL_TELLING = timedelta(days=365)


def knowledge_of(plan: QueryPlan, without_bounds: Callable[[], QueryPlan], dataset: str, ledger: Ledger) -> Knowledge:
    """What stored releases tell of the bounds that the policy or the caller gave, and none of the releases chose.

    `without_bounds` plans the same statement without any; where it cannot be planned so, it tells nothing.
    """
    if not any(is_guess(node, place) for node in plan.nodes for place in range(len(node.measures))):
        return {}
    try:
        free = {node.name: node for node in without_bounds().nodes}
    except (QueryNotPrivateError, PriceError):
        free = {}
    known: dict[str, Stored | None] = {}

    def find(digest: str) -> Stored | None:
        if digest not in known:
            known[digest] = _stored(ledger, dataset, digest)
        return known[digest]

    return earlier_releases(plan.nodes, free, find)


def quoted_notices(plan: QueryPlan, known: Knowledge, schema: Schema) -> list[Notice]:
    """What a quote says of the bounds."""
    return [_shown(notice) for node in plan.nodes for notice in notices_before(node, known, schema)]


def answered_notices(plan: QueryPlan, known: Knowledge, schema: Schema, released: Mapping[str, Stored]) -> list[Notice]:
    """What an answer says of the bounds; `released` are its releases by the node's name."""
    return [_shown(notice) for node in plan.nodes for notice in notices_after(node, known, schema, released[node.name])]


def _stored(ledger: Ledger, dataset: str, digest: str) -> Stored | None:
    release = ledger.latest_release(dataset, digest, STILL_TELLING)
    return None if release is None else Stored(from_stream(release.table), release.rho_nano, release.query_id)


def _shown(notice: Found) -> Notice:
    found, measure = notice.found, notice.measure
    return Notice(
        code=found.code,
        columns=list(measure.columns),
        kind=measure.kind.value,
        text=notice.text,
        l2_bound=plain(Fraction(f"{notice.l2_bound:.12g}")),
        bound_source=measure.source,
        expected_l2_bound=_short(found.expected),
        factor=_short(found.factor),
        clipped_share=_short(found.clipped_share),
        noise_share=_short(found.noise_share),
        query=found.query,
        choice_share=_short(None if notice.choice_share is None else float(notice.choice_share)),
        options=None if notice.automatic is None else {"l2_bound": {notice.automatic: "auto"}},
    )


def _short(number: float | None) -> float | None:
    """The number in six digits; None for what is unknown or infinite."""
    return float(f"{number:.6g}") if number is not None and abs(number) < float("inf") else None
