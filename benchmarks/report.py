"""The measurements as Markdown tables."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.errors import Comparison, QuestionError
from benchmarks.figures import Spread
from benchmarks.over_http import Latency
from benchmarks.speed import PAIRS, THREADS, Measured

_VERSIONS = ("duckdb", "opendp", "numba", "numpy", "pyarrow")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def conditions(load_before: float) -> str:
    """When, where and with what it was measured, and how busy the machine was with other things."""
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, {versions}. {THREADS} threads for both, {PAIRS} alternating pairs after a "
        f"warm-up. Load average before the run {load_before:.1f}: what is above the number of cores blurs times on "
        f"the clock; processor time tells then.\n"
    )


def speed_table(measured: Iterable[Measured]) -> str:
    """Time and memory of each question."""
    rows = [
        [
            one.size,
            f"{one.question.name} {one.question.title}",
            milliseconds(Spread.of(one.plain_seconds)),
            milliseconds(Spread.of(one.kvitto_seconds)),
            milliseconds(Spread.of(one.http_seconds)) if one.http_seconds else "",
            milliseconds(Spread.of(one.noise_seconds)) if one.noise_seconds else "",
            f"**{one.ratio.median:.2f}** ({one.ratio.least:.2f}–{one.ratio.greatest:.2f})",
            f"{one.cpu_ratio:.2f}",
            _target(one),
            f"{one.plain_peak_mib:.0f}",
            f"{' + '.join(f'{peak:.0f}' for peak in one.kvitto_peaks_mib)} = {one.kvitto_peak_mib:.0f}",
        ]
        for one in measured
    ]
    head = ["data", "question", "plain, ms", "Kvitto, ms", "over HTTP, ms", "of which noise, ms", "times plain"]
    head += ["times plain, processor", "target", "plain, MiB", "Kvitto, MiB: service + vault + public worker"]
    return table(head, rows)


def error_table(errors: Iterable[QuestionError]) -> str:
    """The error of each question's answers."""
    rows = [
        [
            one.size,
            f"{one.question.name} {one.question.title}",
            str(one.groups),
            f"{one.l2_bound:g}",
            f"{one.drawn:,.4g}",
            "" if one.expected is None else f"{one.expected:,.4g}",
            f"{one.relative:.3f}",
        ]
        for one in errors
    ]
    return table(
        ["data", "question", "groups", "L2 bound", "RMSE drawn", "RMSE expected", "median relative error"], rows
    )


def comparison_table(found: Comparison) -> str:
    """Spend by department under bounds of each kind."""

    def row(name: str, bounds: str, error: float, drawn: str) -> list[str]:
        return [name, bounds, f"{error:,.0f}", drawn, f"{error / found.declared:.2f}"]

    (l0, linf), (largest_l0, largest_linf) = found.truncation.bounds, found.largest.bounds
    rows = [
        row("L2, the declared bound", f"{found.declared_bound:,.0f}", found.declared, f"{found.drawn:,.0f}"),
        row("L2, the best bound", f"{found.best_l2.bounds[0]:,.0f}", found.best_l2.error, ""),
        row(
            "`l0 × linf`, the best bounds, groups drawn at random",
            f"{l0:.0f} × {linf:,.0f}",
            found.truncation.error,
            f"{found.truncation_drawn:,.0f}",
        ),
        row(
            "`l0 × linf`, the best bounds, the largest groups kept",
            f"{largest_l0:.0f} × {largest_linf:,.0f}",
            found.largest.error,
            "",
        ),
    ]
    return table(["bounding", "bounds, $", "RMSE expected, $", "RMSE drawn, $", "times the first"], rows)


def latency_table(found: Latency) -> str:
    """The service over HTTP on the demo data."""
    named = (
        ("plain", "plain DuckDB, in its own process", found.plain, None, ""),
        ("new", "a statement never asked before", found.new, found.new_over_plain, "≤ 60 over plain"),
        ("again", "asked before, bought anew", found.again, found.again_over_plain, "≤ 60 over plain"),
        ("stored", "from a stored answer", found.stored, None, "< 10"),
        ("replayed", "the same request again (same key)", found.replayed, None, "< 10"),
    )
    rows = [
        [
            title,
            milliseconds(spread),
            "" if over is None else milliseconds(over),
            f"{found.cpu_seconds[name] * 1000:.1f}",
            target,
        ]
        for name, title, spread, over, target in named
    ]
    return table(["spend by department", "ms", "ms over plain", "processor, ms", "target, ms"], rows)


def milliseconds(spread: Spread) -> str:
    """The median and the range, in milliseconds."""
    low, high = spread.least * 1000, spread.greatest * 1000
    return f"{spread.median * 1000:.1f} ({low:.1f}–{high:.1f})"


def _target(one: Measured) -> str:
    if one.size != "10m":
        return ""
    return f"≤ {one.question.target:g} {'✓' if one.is_within_target else '✗'}"
