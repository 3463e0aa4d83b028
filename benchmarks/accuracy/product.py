"""What Kvitto itself answers: its rows with intervals, its bounds and its price, or the reason why it refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.accuracy.questions import Asked
from benchmarks.accuracy.scoring import Cell, Key
from benchmarks.children import Child
from benchmarks.datasets import Prepared


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one question at one ε, and what they show to people.

    `bounds` has each answer's L2 bound of each measure that tells one.
    """

    cells: Sequence[Mapping[Key, Cell]]
    shown: Sequence[Mapping[Key, Cell]]
    bounds: Sequence[Mapping[str, float]]
    rho: str
    delta: str
    seconds: Sequence[float]
    refused: str | None = None


@contextmanager
def asking(prepared: Prepared) -> Iterator[Kvitto]:
    """The product on one dataset, in a process and on a ledger of its own."""
    with TemporaryDirectory() as ledger, Child("benchmarks.kvitto_process", [str(prepared.data_dir), ledger]) as child:
        yield Kvitto(child)


class Kvitto:
    """Questions to the product, each bought anew."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def answers(self, asked: Asked, epsilon: str, count: int) -> Answers:
        """So many answers, or the code of the refusal or failure."""
        replies = []
        for _ in range(count):
            reply = self._child.ask(
                sql=asked.question.sql, options=asked.question.options, epsilon=epsilon, may_be_refused=True
            )
            if "refused" in reply:
                return Answers((), (), (), "", "", (), reply["refused"])
            replies.append(reply)
        bodies = [reply["body"] for reply in replies]
        cost = bodies[-1]["cost"]
        return Answers(
            cells=[cells_of(asked, body) for body in bodies],
            shown=[shown_of(asked, body) for body in bodies],
            bounds=[bounds_of(body["receipt"]) for body in bodies],
            rho=cost["rho"],
            delta=cost["delta"],
            seconds=[reply["seconds"] for reply in replies],
        )

    def peak_mib(self) -> float:
        """The peaks of memory of the service and its workers, added up."""
        return sum(self._child.peaks_mib())


def cells_of(asked: Asked, body: Mapping[str, Any]) -> dict[Key, Cell]:
    """An answer by group; groups that it has no value for are left out."""
    bounds = {column["role"]: column["name"] for column in body["columns"] if column.get("of") == "answer"}
    return {
        tuple(row[key] for key in asked.question.keys): Cell(
            float(row["answer"]), _number(row, bounds.get("lower")), _number(row, bounds.get("upper"))
        )
        for row in body["rows"]
        if row["answer"] is not None
    }


def shown_of(asked: Asked, body: Mapping[str, Any]) -> dict[Key, Cell]:
    """An answer's display values by group; groups that it has none for are left out."""
    found = {tuple(row[key] for key in asked.question.keys): row.get("answer_display") for row in body["rows"]}
    return {key: Cell(float(value)) for key, value in found.items() if value is not None}


def bounds_of(receipt: Mapping[str, Any]) -> dict[str, float]:
    """The L2 bound of each measure of each release, in the measure's own unit, under its kind."""
    found: dict[str, float] = {}
    for release in receipt["releases"]:
        for measure in release.get("measures", ()):
            bound = _fraction(measure.get("l2_bound"))
            if bound is not None:
                name = str(measure.get("kind", "measure"))
                same = sum(other.split(" ")[0] == name for other in found)
                found[name if not same else f"{name} {same + 1}"] = bound
    return found


def _number(row: Mapping[str, Any], name: str | None) -> float | None:
    value = None if name is None else row.get(name)
    return None if value is None else float(value)


def _fraction(value: object) -> float | None:
    """A bound as a receipt writes it; None for what is no number, as where a bound is told in words."""
    try:
        return float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError):
        return None
