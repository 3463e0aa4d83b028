"""`python -m benchmarks`: measure, and write benchmarks/results/. SIZE=100m in the environment adds the large data."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import chart, over_http, report
from benchmarks.children import Child
from benchmarks.datasets import LINES, ROOT, Prepared, prepare
from benchmarks.errors import Comparison, QuestionError, compare, question_error
from benchmarks.over_http import Latency
from benchmarks.questions import QUESTIONS
from benchmarks.speed import THREADS, Measured, measure

RESULTS: Final = ROOT / "benchmarks" / "results"


def main() -> None:
    """Measure the sizes wanted, print the tables and write them."""
    load = os.getloadavg()[0]
    sizes = ["real", "10m"] + (["100m"] if os.environ.get("SIZE", "").lower() == "100m" else [])
    measured: list[Measured] = []
    errors: list[QuestionError] = []
    parts = ["# Latest measurements\n", report.conditions(load)]
    for size in sizes:
        prepared = prepare(size, _tell)
        found = _measure(prepared)
        measured += found
        if LINES.get(size, 0) <= LINES["10m"]:
            errors += [question_error(prepared, one) for one in found]
    comparison, latency = compare(prepare("real", _tell)), _latency(prepare("demo", _tell))
    parts += ["## Time and memory\n", report.speed_table(measured)]
    parts += ["![Times plain DuckDB](latest.svg)\n", "## Error at ε = 1, δ = 10⁻⁶\n", report.error_table(errors)]
    parts += ["## Spend by department, real data\n", report.comparison_table(comparison)]
    parts += ["## Over HTTP, real data\n", report.latency_table(latency)]
    text = "\n".join(parts)
    (RESULTS / "raw").mkdir(parents=True, exist_ok=True)
    (RESULTS / "latest.md").write_text(text, encoding="utf-8")
    chart.draw(measured, RESULTS / "latest.svg")
    _write_raw(measured, comparison, latency)
    print(text)


def _measure(prepared: Prepared) -> list[Measured]:
    found: list[Measured] = []
    with ExitStack() as stack:
        over = None
        if prepared.size == "real":
            scratch = Path(stack.enter_context(TemporaryDirectory()))
            caller = stack.enter_context(over_http.serving(prepared, scratch))
            over = caller.whole_query_seconds
        for question in QUESTIONS:
            _tell(f"{prepared.size} {question.name}", len(found) / len(QUESTIONS))
            found.append(measure(prepared, question, over))
    return found


def _latency(prepared: Prepared) -> Latency:
    _tell("latency over HTTP", 0.0)
    with (
        TemporaryDirectory() as scratch,
        over_http.serving(prepared, Path(scratch)) as caller,
        Child("benchmarks.plain_process", [str(prepared.plain_file), str(THREADS)]) as plain,
    ):
        return over_http.latency(caller, plain)


def _write_raw(measured: Sequence[Measured], comparison: Comparison, latency: Latency) -> None:
    kept = [
        {name: value for name, value in asdict(one).items() if name not in {"truth", "answers"}} for one in measured
    ]
    document = {"measured": kept, "comparison": asdict(comparison), "latency": asdict(latency)}
    target = RESULTS / "raw" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    target.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _tell(what: str, share: float) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what} {share:.0%}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
