"""The error of Kvitto's answers, drawn and expected, and that of the best bounds of the kind that other systems use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
import numpy as np

from benchmarks.accuracy.fixed_bounds import Contributions, Tuned, best_l2, best_truncations, l2_error
from benchmarks.accuracy.scoring import measured_error, relative_error
from benchmarks.children import Child
from benchmarks.datasets import Prepared
from benchmarks.questions import DEPARTMENT_SPEND, EPSILON, Question
from benchmarks.speed import Measured

_DRAWS: Final = 15


@dataclass(frozen=True, slots=True)
class QuestionError:
    """Root-mean-square errors in the answer's own unit; `expected` is None where it has no closed form."""

    question: Question
    size: str
    groups: int
    drawn: float
    expected: float | None
    relative: float
    l2_bound: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Spend by department: the error of bounds of each kind, at the same ρ."""

    rho: float
    declared_bound: float
    declared: float  # expected, with the bound that the policy declares
    drawn: float  # of answers from the product, with that bound
    best_l2: Tuned
    truncation: Tuned  # groups drawn at random, as other systems do
    largest: Tuned  # the largest groups kept
    truncation_drawn: float  # of answers from the product under the best bounds of that kind


def question_error(prepared: Prepared, measured: Measured) -> QuestionError:
    """The error of the answers of a measurement."""
    question = measured.question
    truth, answers = aligned(question, measured.truth, measured.answers)
    drawn = [list(answer) for answer in answers]
    expected = None
    if question.contribution is not None:
        data = contributions(prepared, question, len(drawn[0]))
        expected = l2_error(data, _bound(measured.receipt), _rho(measured.receipt))
    return QuestionError(
        question=question,
        size=measured.size,
        groups=len(measured.answers[-1]),
        drawn=measured_error(drawn, truth),
        expected=expected,
        relative=relative_error(drawn, truth),
        l2_bound=_bound(measured.receipt),
    )


def compare(prepared: Prepared) -> Comparison:
    """Spend by department under the declared bound, the best bounds, and the best of the other kind."""
    question = DEPARTMENT_SPEND
    with (
        TemporaryDirectory() as ledger,
        Child("benchmarks.plain_process", [str(prepared.plain_file), "2"]) as plain,
        Child("benchmarks.kvitto_process", [str(prepared.data_dir), ledger]) as kvitto,
    ):
        rows = plain.ask(sql=question.sql, rows=True)["rows"]
        bodies = [kvitto.ask(sql=question.sql, options={}, epsilon=EPSILON)["body"] for _ in range(_DRAWS)]
        receipt = bodies[-1]["receipt"]
        truth, answers = aligned(question, rows, [body["rows"] for body in bodies])
        rho, bound = _rho(receipt), _bound(receipt)
        data = contributions(prepared, question, len(truth))
        truncation, largest = best_truncations(data, rho)
        groups, most = truncation.bounds
        options = {
            "max_groups_contributed": int(groups),
            "contribution_bounds_per_group": {"answer": [0, round(most, 2)]},
        }
        truncated = [kvitto.ask(sql=question.sql, options=options, epsilon=EPSILON)["body"] for _ in range(_DRAWS)]
    return Comparison(
        rho=rho,
        declared_bound=bound,
        declared=l2_error(data, bound, rho),
        drawn=measured_error(answers, truth),
        best_l2=best_l2(data, [rho])[0],
        truncation=truncation,
        largest=largest,
        truncation_drawn=measured_error(aligned(question, rows, [body["rows"] for body in truncated])[1], truth),
    )


def contributions(prepared: Prepared, question: Question, group_count: int) -> Contributions:
    """What each unit adds to each group, from the plain file."""
    with duckdb.connect(str(prepared.plain_file), read_only=True, config={"threads": 2}) as connection:
        found = connection.execute(question.contributions_sql).fetchnumpy()
    units, groups = (np.asarray(found[name], np.int64) for name in ("units", "groups"))
    return Contributions(units, groups, np.asarray(found["values"], np.float64), group_count)


def aligned(
    question: Question, truth: Sequence[Sequence[Any]], answers: Sequence[Sequence[Mapping[str, Any]]]
) -> tuple[list[float], list[list[float]]]:
    """The true value and each answer's value of every group, in one order, in the answer's unit.

    Of groups that some answer lacks (below a threshold, or a mean of nothing) nothing is told. A sum over a public key
    that has no row is 0; a mean of no rows has no true value.
    """
    true = {tuple(row[:-1]): float(row[-1]) / question.scale for row in truth if row[-1] is not None}
    found = [
        {tuple(row[key] for key in question.keys): row["answer"] for row in rows if row["answer"] is not None}
        for rows in answers
    ]
    common = set.intersection(*(set(rows) for rows in found))
    if question.contribution is None:
        common &= true.keys()
    order = sorted(common, key=repr)
    return [true.get(key, 0.0) for key in order], [[float(rows[key]) for key in order] for rows in found]


def _rho(receipt: Mapping[str, Any]) -> float:
    return float(Fraction(receipt["releases"][0]["rho"]))


def _bound(receipt: Mapping[str, Any]) -> float:
    return float(Fraction(receipt["releases"][0]["measures"][0]["l2_bound"]))
