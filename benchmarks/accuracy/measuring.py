"""All questions on one dataset: the product's answers under both policies, scored, and the rivals beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from benchmarks.accuracy.contributions import truth
from benchmarks.accuracy.datasets import COPIES, BothPolicies
from benchmarks.accuracy.product import Answers, Kvitto, asking
from benchmarks.accuracy.questions import ASKED, CONVERSION_DELTA, Asked, Kind
from benchmarks.accuracy.rivals import Rival, rivals
from benchmarks.accuracy.scoring import Score, Truth, score
from benchmarks.figures import Spread
from budgets.privacy_loss import rho_of_epsilon

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers under one policy: the score of their figures, and of those that are shown to people."""

    score: Score | None
    refused: str | None
    rho: str
    bounds: Mapping[str, Spread]
    seconds: Spread | None
    shown: Score | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One question at one ε; `rho` is what ε is at the policy's split of δ, and what the rivals have."""

    asked: Asked
    size: str
    epsilon: str
    rho: float
    declared: Outcome
    undeclared: Outcome
    rivals: Sequence[Rival]

    @property
    def by_relative(self) -> bool:
        """Whether errors are compared as medians of relative errors: of ratios and quantiles, squares mean little."""
        return self.asked.kind in {Kind.MEAN, Kind.MEDIAN}

    def error_of(self, found: Outcome | Rival) -> float | None:
        """The error that is compared."""
        scored = found.score if isinstance(found, Outcome) else found
        if scored is None:
            return None
        return scored.relative if self.by_relative else scored.rmse

    def gain(self, found: Outcome, kind: str) -> float | None:
        """How many times the product's error the best rival of that kind has."""
        error = self.error_of(found)
        other = next((self.error_of(rival) for rival in self.rivals if rival.kind == kind), None)
        return other / error if error and other is not None else None


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured on: `plain_once` is the plain file with one copy of each household."""

    size: str
    data: BothPolicies
    plain_once: Path
    epsilons: Sequence[str]
    draws: int


def measure(setting: Setting, tell: Tell) -> list[Measured]:
    """Every question at every ε."""
    found = []
    with asking(setting.data.declared) as declared, asking(setting.data.undeclared) as undeclared:
        for place, asked in enumerate(ASKED):
            tell(f"{setting.size} {asked.label}", place / len(ASKED))
            found += _question(setting, asked, declared, undeclared)
    return found


def _question(setting: Setting, asked: Asked, declared: Kvitto, undeclared: Kvitto) -> list[Measured]:
    plain_file = setting.data.declared.plain_file
    true = truth(plain_file, asked)

    def outcomes(product: Kvitto) -> list[Outcome]:
        answers = [product.answers(asked, epsilon, setting.draws) for epsilon in setting.epsilons]
        return [_outcome(asked, true, each) for each in answers]

    with_bounds, without = outcomes(declared), outcomes(undeclared)
    groups = max(len(true.values), *(each.score.groups for each in (*with_bounds, *without) if each.score is not None))
    rhos = [float(rho_of_epsilon(Fraction(epsilon), Fraction(CONVERSION_DELTA))) for epsilon in setting.epsilons]
    beside = rivals(setting.plain_once, asked, rhos, COPIES[setting.size], groups)
    return [
        Measured(asked, setting.size, epsilon, rhos[place], with_bounds[place], without[place], beside[place])
        for place, epsilon in enumerate(setting.epsilons)
    ]


def _outcome(asked: Asked, true: Truth, answers: Answers) -> Outcome:
    if answers.refused is not None:
        return Outcome(None, answers.refused, "", {}, None)
    names = sorted({name for each in answers.bounds for name in each})
    return Outcome(
        score=score(true, answers.cells, asked.absent),
        refused=None,
        rho=answers.rho,
        bounds={name: Spread.of([each[name] for each in answers.bounds if name in each]) for name in names},
        seconds=Spread.of(answers.seconds),
        shown=score(true, answers.shown, asked.absent),
    )
