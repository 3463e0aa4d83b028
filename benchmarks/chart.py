"""The chart of the speed measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import altair as alt

from benchmarks.speed import Measured

_NAMES: Final = {"real": "real, 1.5M lines", "10m": "10M lines", "100m": "100M lines"}


def draw(measured: Sequence[Measured], target: Path) -> None:
    """Kvitto's time as a multiple of plain DuckDB's: median, range and target; SVG or PNG."""
    rows = [
        {
            "question": f"{one.question.name} {one.question.title}",
            "data": _NAMES[one.size],
            "ratio": one.ratio.median,
            "least": one.ratio.least,
            "greatest": one.ratio.greatest,
            "target": one.question.target,
        }
        for one in measured
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("question:N", title=None, axis=alt.Axis(labelLimit=260))
    )
    scale = alt.Scale(type="log")
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("least:Q", scale=scale, title="times plain DuckDB (log scale)"), x2="greatest:Q"
    )
    points = base.mark_point(filled=True, size=80).encode(x=alt.X("ratio:Q", scale=scale))
    targets = base.mark_tick(color="#c33", thickness=2, height=16).encode(x=alt.X("target:Q", scale=scale))
    layers = alt.layer(bars, points, targets).properties(width=380, height=alt.Step(26))
    title = alt.TitleParams(
        "Kvitto over plain DuckDB, the same query", subtitle="median and range; red: the target at 10M lines"
    )
    layers.facet(row=alt.Row("data:N", title=None, sort=list(_NAMES.values()))).properties(title=title).save(
        str(target)
    )
