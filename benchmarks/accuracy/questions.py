"""What is asked for its accuracy: the questions of the comparison with other systems, and two more sums of money."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from benchmarks.questions import DEPARTMENT_SPEND, JOINED, QUESTIONS, Question

CONVERSION_DELTA: Final = "8e-7"  # the policy's: what of δ = 1e-6 turns ρ into ε
THRESHOLD_DELTA: Final = "2e-7"  # and what is left for keys that nobody declared


class Kind(StrEnum):
    """What is released, which decides how answers are scored and which fixed bounds there are to compare with."""

    SUM = "sum"
    THRESHOLD = "threshold"
    MEAN = "mean"
    MEDIAN = "median"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its kind; `absent` is the true value of a group without lines, None if it has none."""

    question: Question
    kind: Kind

    @property
    def name(self) -> str:
        return self.question.name

    @property
    def label(self) -> str:
        return f"{self.question.name} {self.question.title}"

    @property
    def absent(self) -> float | None:
        return 0.0 if self.kind in {Kind.SUM, Kind.THRESHOLD} else None

    @property
    def truth_sql(self) -> str:
        """Rows (keys…, answer, lines) on the plain file's tables."""
        keys, asked = ", ".join(self.question.keys), self.question
        return f"SELECT {keys}, {asked.aggregate} AS answer, COUNT(*) AS lines FROM {asked.source} GROUP BY {keys}"


_KINDS: Final = {"Q4": Kind.THRESHOLD, "Q5": Kind.MEAN}
_MEDIAN: Final = Question("Q6", "median amount by department", ("department",), "MEDIAN(amount)", JOINED, scale=100)
_WEEKLY_SPEND: Final = Question(
    "Q8",
    "spend by week and department",
    ("week", "department"),
    "SUM(amount)",
    JOINED,
    scale=100,
    contribution="SUM(amount)",
)

ASKED: Final = (
    *(Asked(question, _KINDS.get(question.name, Kind.SUM)) for question in QUESTIONS),
    Asked(_MEDIAN, Kind.MEDIAN),
    Asked(replace(DEPARTMENT_SPEND, name="Q7"), Kind.SUM),
    Asked(_WEEKLY_SPEND, Kind.SUM),
)
