"""One statement at several prices: planned, rehearsed, and reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from queries.planned import QueryPlan
from service.engines import DatasetEngine
from service.simulation.ground import Ground
from service.simulation.rehearsal import Effort, Rehearsed, plan_at, rehearse
from service.simulation.report import Accuracy, accuracy_of


@dataclass(frozen=True, slots=True)
class Trial:
    """The prices to try, how much to draw at each, and the median relative error that is good enough."""

    epsilons: tuple[Fraction, ...]
    effort: Effort
    wanted: Fraction


def plans_of(statement: Rehearsed, ground: Ground, engine: DatasetEngine, trial: Trial) -> dict[Fraction, QueryPlan]:
    """The plan at each price; raises what planning raises."""
    return {epsilon: plan_at(statement, ground.policy, epsilon, engine) for epsilon in sorted(trial.epsilons)}


def accuracy(
    plans: Mapping[Fraction, QueryPlan],
    ground: Ground,
    engine: DatasetEngine,
    trial: Trial,
    tell: Callable[[float], None] = lambda _share: None,
) -> Accuracy:
    """The report of these plans; raises SimulationError and PostprocessError."""
    return accuracy_of(ground, rehearse(plans, engine, trial.effort, tell), trial.wanted)
