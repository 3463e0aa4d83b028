"""`python -m benchmarks.accuracy`: measure, and write benchmarks/results/accuracy.md, .svg and .json.

In the environment: SIZES (`x1 x20`; `x1` alone if not given), DRAWS (answers to each question; 10 at x1 and 3 at x20)
and EPSILONS (`0.5 1 3`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from benchmarks.accuracy import chart, report
from benchmarks.accuracy.datasets import COPIES, prepare
from benchmarks.accuracy.measuring import Measured, Setting, measure
from benchmarks.conditions import machine
from benchmarks.datasets import ROOT
from benchmarks.figures import finite

RESULTS: Final = ROOT / "benchmarks" / "results"
_DRAWS: Final = {"x1": 10, "x20": 3}


def main() -> None:
    """Measure the sizes wanted, print the tables and write them."""
    started = time.monotonic()
    conditions = machine()
    sizes = os.environ.get("SIZES", "x1").split()
    epsilons = os.environ.get("EPSILONS", "0.5 1 3").split()
    if not sizes or not set(sizes) <= COPIES.keys():
        raise SystemExit(f"SIZES must name some of {', '.join(COPIES)}")
    plain_once = prepare("x1", _tell).declared.plain_file
    measured: list[Measured] = []
    draws = {size: int(os.environ.get("DRAWS", _DRAWS[size])) for size in sizes}
    for size in sizes:
        measured += measure(Setting(size, prepare(size, _tell), plain_once, epsilons, draws[size]), _tell)
    told = ", ".join(f"{count} at {size}" for size, count in draws.items())
    conditions += (
        f" Answers to each question: {told}. All of it took {(time.monotonic() - started) / 60:.0f} minutes.\n"
    )
    text = report.document(measured, conditions)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "accuracy.md").write_text(text, encoding="utf-8")
    (RESULTS / "accuracy.json").write_text(
        json.dumps([_plain(one) for one in measured], indent=1) + "\n", encoding="utf-8"
    )
    chart.draw(measured, RESULTS / "accuracy.svg")
    print(text)


def _plain(one: Measured) -> object:
    asked = {"name": one.asked.name, "kind": one.asked.kind, "sql": one.asked.question.sql}
    return finite({**asdict(one), "asked": asked})


def _tell(what: str, share: float) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what} {share:.0%}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
