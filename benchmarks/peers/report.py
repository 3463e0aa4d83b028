"""The peers' answers as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from benchmarks.figures import Spread
from benchmarks.peers.bounds import Price
from benchmarks.peers.measuring import Line
from benchmarks.report import table


def document(lines: Sequence[Line], conditions: str, price: Price) -> str:
    """The page of results."""
    return "\n".join(
        [
            "# Other systems\n",
            conditions,
            _told(price),
            answers_table(lines),
            "## What they cannot answer, or answer otherwise\n",
            reasons_table(lines),
        ]
    )


def answers_table(lines: Iterable[Line]) -> str:
    """Error, keys, time and memory of each system on each question."""
    rows = [
        [
            line.asked.label,
            line.system,
            line.bounds,
            _spread(line.score.rmse, line.score.rmse_by_answer),
            _spread(line.score.relative, line.score.relative_by_answer),
            f"{line.score.released.median:,.0f} of {line.score.groups:,}",
            _spread(line.times_plain.median, line.times_plain),
            _spread(line.seconds.median, line.seconds),
            "" if line.peak_mib is None else f"{line.peak_mib:,.0f}",
        ]
        if line.score is not None and line.times_plain is not None and line.seconds is not None
        else [line.asked.label, line.system, line.bounds, "no answer", "", "", "", "", ""]
        for line in lines
    ]
    head = ["question", "system", "bounds", "RMSE", "median relative error", "groups with an answer"]
    return table([*head, "times plain DuckDB", "seconds", "peak MiB"], rows)


def reasons_table(lines: Iterable[Line]) -> str:
    """What the systems said themselves."""
    rows = [[line.asked.label, line.system, line.bounds, line.reason] for line in lines if line.reason]
    return table(["question", "system", "bounds", "as observed"], rows)


def _told(price: Price) -> str:
    return (
        f"ε = {price.epsilon:g}, δ = {price.delta:g} (ρ = {price.rho:.6f} for Gaussian noise), the household is the "
        f"unit; errors are over groups that have lines, against the true, unclipped answer. Bounds: groups a household "
        f"× the most in each. `stated` are those of the published comparison; `best` were found with the true data in "
        f"hand, for the system's own noise. In brackets: the least and the greatest of single answers.\n"
    )


def _spread(value: float, spread: Spread) -> str:
    return "–" if math.isnan(value) else f"{_number(value)} ({_number(spread.least)}–{_number(spread.greatest)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"  # noqa: PLR2004  # three digits at least
