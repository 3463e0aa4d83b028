"""Releases as receipts and quotes show them: question, keys, bounds, noise and price. Public, from the plan alone."""

from __future__ import annotations

from fractions import Fraction

from queries.answers import half_width
from queries.plan import PublicKeys, ThresholdKeys, TopKeys
from queries.planned import PlannedMeasure, PlannedNode
from service.accounts import plain

_SUMS = "discrete Gaussian on L2-clipped sums"
_VALUES = "discrete Gaussian on the numbers of different values that units keep"
_KEYS = {PublicKeys: "public", ThresholdKeys: "threshold", TopKeys: "top"}
_TREE = "discrete Gaussian on the L2-clipped counts of a tree"


def release_document(node: PlannedNode, *, stored: bool) -> dict[str, object]:
    """What an auditor needs of one release."""
    keys = node.aggregation.keys
    document: dict[str, object] = {
        "digest": node.aggregation.digest,
        "stored": stored,
        "keys": _KEYS[type(keys)],
        "groups": node.groups,
        "mechanism": _mechanism(node),
        "rho": plain(Fraction(node.loss.rho_nano, 10**9)),
        "delta": plain(Fraction(node.loss.delta_atto, 10**18)),
        "measures": [_measure_document(measure, node) for measure in node.measures],
    }
    if node.touched.months:
        document["months"] = list(node.touched.months)
    if isinstance(keys, ThresholdKeys):
        document["max_groups_contributed"] = keys.max_groups
    if node.tree is not None:
        document["nodes_per_group"] = node.tree.grid.nodes
    return document


def _mechanism(node: PlannedNode) -> str:
    if node.aggregation.counts_values:
        return _VALUES
    if isinstance(node.aggregation.keys, TopKeys):
        return f"one-shot Gumbel choice of {node.aggregation.keys.count:,} keys, then {_SUMS} of these"
    return _SUMS if node.tree is None else _TREE


def _measure_document(measure: PlannedMeasure, node: PlannedNode) -> dict[str, object]:
    """A quantile has no error before the answer; what is known is that of the rows of one node of its tree.

    Where bounds and errors differ from group to group, the smallest are told first.
    """
    error = measure.standard_error
    document: dict[str, object] = {
        "kind": measure.kind.value if node.tree is None else "quantile",
        "columns": list(measure.columns),
        "l2_bound": None if measure.l2_bound is None else plain(measure.l2_bound),
    }
    if node.tree is not None or error is None:
        widths: dict[str, object] = {"standard_error": None, "interval_half_width": None}
        known = {} if error is None else {"node_standard_error": _short(error.low)}
        return document | widths | known
    return document | {
        "standard_error": _short(error.low),
        "largest_standard_error": _short(error.high),
        "interval_half_width": _short(half_width(error.low)),
    }


def _short(number: float) -> float:
    return float(f"{number:.12g}")
