"""`python -m benchmarks.peers`: ask other systems, and write benchmarks/results/peers.md and .json.

In the environment: DRAWS (answers to each question; 3), QUESTIONS (all, or some as `Q1 Q6`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

from benchmarks.accuracy.datasets import prepare
from benchmarks.accuracy.questions import ASKED, CONVERSION_DELTA, Asked
from benchmarks.conditions import machine
from benchmarks.datasets import ROOT
from benchmarks.figures import finite
from benchmarks.peers import report
from benchmarks.peers.bounds import Price, best, stated
from benchmarks.peers.environments import NotInstalledError, python_of
from benchmarks.peers.measuring import PEERS, Line, Peer, ask_kvitto, ask_peer, export
from budgets.privacy_loss import rho_of_epsilon

RESULTS: Final = ROOT / "benchmarks" / "results"
_EPSILON: Final = "1"
_DELTA: Final = 1e-6


def main() -> None:
    """Ask all systems, print the table and write it."""
    started = time.monotonic()
    conditions, draws = machine(), int(os.environ.get("DRAWS", "3"))
    wanted = os.environ.get("QUESTIONS", " ".join(asked.name for asked in ASKED)).split()
    data = prepare("x1", _tell)
    price = Price(float(_EPSILON), _DELTA, float(rho_of_epsilon(Fraction(_EPSILON), Fraction(CONVERSION_DELTA))))
    files = data.declared.plain_file, export(data.declared.plain_file)
    pythons = {peer.name: _installed(peer) for peer in PEERS}
    lines: list[Line] = []
    for place, asked in enumerate(each for each in ASKED if each.name in wanted):
        _tell(f"Kvitto {asked.label}", place / len(wanted))
        lines += ask_kvitto(data, asked, _EPSILON, draws)
        for peer in PEERS:
            _tell(f"{peer.name} {asked.label}", place / len(wanted))
            lines += _of_peer(peer, pythons[peer.name], files, asked, price, draws)
    minutes = (time.monotonic() - started) / 60
    conditions += f" Answers to each question: {draws}. All of it took {minutes:.0f} minutes.\n"
    text = report.document(lines, conditions, price)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "peers.md").write_text(text, encoding="utf-8")
    kept = [finite({**asdict(line), "asked": line.asked.name}) for line in lines]
    (RESULTS / "peers.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(text)


def _of_peer(
    peer: Peer, python: Path | str, files: tuple[Path, Path], asked: Asked, price: Price, draws: int
) -> list[Line]:
    if isinstance(python, str):
        return [Line(peer.name, asked, "", None, None, None, None, f"could not be installed: {python}")]
    both = (("stated", stated(asked)), ("best", best(files[0], asked, price, peer.mechanism)))
    return [ask_peer(peer, python, files, asked, bounds, price, draws) for bounds in both]


def _installed(peer: Peer) -> Path | str:
    """The peer's Python, or why there is none."""
    try:
        return python_of(peer.requirements, _tell)
    except NotInstalledError as error:
        return str(error)


def _tell(what: str, share: float) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {what} {share:.0%}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
