"""Every question to every peer, and to Kvitto, in turn with plain DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.accuracy import contributions
from benchmarks.accuracy.datasets import BothPolicies
from benchmarks.accuracy.medians import candidates
from benchmarks.accuracy.product import asking
from benchmarks.accuracy.questions import THRESHOLD_DELTA, Asked
from benchmarks.accuracy.scoring import Cell, Key, Score, Truth, score
from benchmarks.children import Child
from benchmarks.figures import Spread, ratios
from benchmarks.peers.bounds import Bounds, Price, shape_of
from benchmarks.peers.environments import PEERS_HOME
from queries.sql_text import text_literal

KVITTO: Final = "Kvitto"


@dataclass(frozen=True, slots=True)
class Peer:
    """Another system: its name, the module of its process, and the kind of noise that it adds."""

    name: str
    requirements: str
    module: str
    mechanism: str


PEERS: Final = (
    Peer("SmartNoise SQL 1.0.10", "smartnoise", "benchmarks.peers.smartnoise_process", "laplace"),
    Peer("OpenDP 0.16.0 Polars", "opendp", "benchmarks.peers.opendp_process", "gaussian"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One system's answers to one question under some bounds; `reason` says why there are none, or what differs."""

    system: str
    asked: Asked
    bounds: str
    score: Score | None
    times_plain: Spread | None
    seconds: Spread | None
    peak_mib: float | None
    reason: str = ""


def export(plain_file: Path) -> Path:
    """All lines with what questions group by, as the peers read them; amounts are in cents."""
    target = PEERS_HOME / "lines.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    sql = (
        "SELECT household_id, department, product_category, week, store_id, product_id, amount AS cents "
        "FROM purchases JOIN products USING (product_id)"
    )
    with duckdb.connect(str(plain_file), read_only=True, config={"threads": 2}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({sql}) TO {text_literal(str(target))} (FORMAT parquet)")
    return target


def ask_peer(
    peer: Peer,
    python: Path,
    files: tuple[Path, Path],
    asked: Asked,
    bounds: tuple[str, Bounds],
    price: Price,
    draws: int,
) -> Line:
    """The answers of a peer in a fresh process; `files` are the plain one and the exported lines."""
    plain_file, lines = files
    label = f"{bounds[0]}: {bounds[1]}"
    request = {
        "kind": shape_of(asked),
        "keys": asked.question.keys,
        "epsilon": price.epsilon,
        "delta": price.delta,
        "rho": price.rho,
        "threshold_delta": float(THRESHOLD_DELTA),
        "groups": bounds[1].groups,
        "bounds": bounds[1].each,
        "candidates": candidates(100),
    }
    replies: list[dict[str, Any]] = []
    plain_seconds: list[float] = []
    with plain(plain_file) as ask_plain, Child(peer.module, [str(lines)], str(python)) as child:
        seconds_of(ask_plain, asked)  # a warm-up
        for _ in range(draws):
            plain_seconds.append(seconds_of(ask_plain, asked))
            try:
                replies.append(child.ask(**request))
            except RuntimeError as error:
                replies.append({"cannot": str(error)})
            if "cannot" in replies[-1]:
                return Line(peer.name, asked, label, None, None, None, None, one_line(replies[-1]["cannot"]))
        peak = child.peaks_mib()[0]
    seconds = [reply["seconds"] for reply in replies]
    return Line(
        peer.name,
        asked,
        label,
        scored(asked, contributions.truth(plain_file, asked), [rows_of(reply["rows"]) for reply in replies]),
        ratios(seconds, plain_seconds),
        Spread.of(seconds),
        peak,
        one_line(replies[-1].get("note", "")),
    )


def ask_kvitto(data: BothPolicies, asked: Asked, epsilon: str, draws: int) -> list[Line]:
    """The product's answers under both policies, in fresh processes."""
    found = []
    true = contributions.truth(data.declared.plain_file, asked)
    for name, prepared in (("declared", data.declared), ("none declared", data.undeclared)):
        with plain(prepared.plain_file) as ask_plain, asking(prepared) as product:
            product.answers(asked, epsilon, 1)  # its workers start with the first
            seconds_of(ask_plain, asked)
            plain_seconds, answers = [], []
            for _ in range(draws):
                plain_seconds.append(seconds_of(ask_plain, asked))
                answers.append(product.answers(asked, epsilon, 1))
            refused = answers[-1].refused
            if refused is not None:
                found.append(Line(KVITTO, asked, name, None, None, None, None, f"refused: {refused}"))
                continue
            seconds = [each.seconds[0] for each in answers]
            cells = [each.cells[0] for each in answers]
            times, peak = ratios(seconds, plain_seconds), product.peak_mib()
            found.append(Line(KVITTO, asked, name, scored(asked, true, cells), times, Spread.of(seconds), peak))
    return found


def scored(asked: Asked, true: Truth, answers: Sequence[Mapping[Key, Cell]]) -> Score:
    """The score over groups that have lines: not all systems show others."""
    return score(
        true, [{key: cell for key, cell in each.items() if key in true.values} for each in answers], asked.absent
    )


def rows_of(rows: Sequence[Sequence[Any]]) -> dict[Key, Cell]:
    """A peer's rows (keys…, answer) by key; those without an answer are left out."""
    return {tuple(row[:-1]): Cell(float(row[-1])) for row in rows if row[-1] is not None}


def plain(file: Path) -> Child:
    """Plain DuckDB with two threads."""
    return Child("benchmarks.plain_process", [str(file), "2"])


def seconds_of(child: Child, asked: Asked) -> float:
    """How long plain DuckDB takes."""
    return float(child.ask(sql=asked.question.sql, rows=False)["seconds"])


def one_line(text: str) -> str:
    """What a peer said, fit for a cell of a table."""
    return " ".join(text.split()).replace("|", "¦")
