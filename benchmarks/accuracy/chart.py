"""The chart of the accuracy measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import altair as alt

from benchmarks.accuracy.measuring import Measured
from benchmarks.accuracy.rivals import RANDOM

_SIZES: Final = {"x1": "2,469 households", "x20": "every household 20 times"}
_POLICIES: Final = {"declared": "bounds declared", "undeclared": "no bounds declared"}


def rows_of(measured: Sequence[Measured]) -> list[dict[str, object]]:
    """What is drawn: for each answered question, how many times the product's error the best fixed bounds have."""
    return [
        {
            "question": one.asked.label + (" †" if one.by_relative else ""),
            "data": _SIZES[one.size],
            "epsilon": f"ε = {one.epsilon}",
            "bounds": name,
            "gain": gain,
        }
        for one in measured
        for policy, name in _POLICIES.items()
        if (gain := one.gain(getattr(one, policy), RANDOM)) is not None
    ]


def draw(measured: Sequence[Measured], target: Path) -> None:
    """Points right of 1 are less error than the best `l0 × linf` bounds give; SVG or PNG."""
    rows = rows_of(measured)
    epsilons = list(dict.fromkeys(str(row["epsilon"]) for row in rows))
    base = alt.Chart(alt.InlineData(values=rows))
    points = base.mark_point(filled=True, size=70).encode(
        x=alt.X("gain:Q", scale=alt.Scale(type="log"), title="times less error than the best l0 × linf (log scale)"),
        y=alt.Y("question:N", title=None, axis=alt.Axis(labelLimit=280)),
        color=alt.Color("epsilon:N", sort=epsilons, title=None),
        shape=alt.Shape("bounds:N", sort=list(_POLICIES.values()), title=None),
    )
    rule = base.mark_rule(color="#c33").encode(x=alt.X(datum=1))
    title = alt.TitleParams(
        "Error of the best fixed l0 × linf bounds, over Kvitto's",
        subtitle="root-mean-square; † median relative error; red: the same error",
    )
    alt.layer(rule, points).properties(width=380, height=alt.Step(26)).facet(
        row=alt.Row("data:N", title=None, sort=list(_SIZES.values()))
    ).properties(title=title).save(str(target))
