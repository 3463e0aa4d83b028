"""The report of a whole workload: each statement's figures or its refusal, and the epsilon that does for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from pydantic import Field

from queries.errors import PostprocessError, PriceError, QueryNotPrivateError, SqlSyntaxError
from service.accounts import plain
from service.engines import DatasetEngine
from service.quotes import Closed
from service.simulation.errors import SimulationError
from service.simulation.ground import Ground
from service.simulation.report import Accuracy, Recommendation, SimulatedOn, is_within, simulated_on
from service.simulation.trial import Trial, accuracy, plans_of
from service.simulation.workload import Question

_REFUSALS = (SqlSyntaxError, QueryNotPrivateError, PriceError, PostprocessError, SimulationError)
Tell = Callable[[str, float], None]


class Refusal(Closed):
    """Why a statement has no figures, and what to write instead where that is known."""

    code: str
    reason: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None


class StatementReport(Closed):
    """A statement of the workload, with its figures or its refusal."""

    name: str
    sql: str
    accuracy: Accuracy | None
    refusal: Refusal | None


class WorkloadReport(Closed):
    """What the answers to a workload would be worth at each price."""

    dataset: str
    simulated_on: SimulatedOn
    statements: list[StatementReport]
    recommended: Recommendation = Field(description="For all statements that have figures.")


def workload_report(
    questions: Sequence[Question], ground: Ground, engine: DatasetEngine, trial: Trial, tell: Tell
) -> WorkloadReport:
    """The report; `tell` is called with what is done now and the share that is done."""
    statements = []
    for place, question in enumerate(questions):

        def told(share: float, place: int = place, name: str = question.name) -> None:
            tell(name, (place + share) / len(questions))

        told(0.0)
        statements.append(_statement(question, ground, engine, trial, told))
        told(1.0)
    return WorkloadReport(
        dataset=ground.policy.dataset,
        simulated_on=simulated_on(ground),
        statements=statements,
        recommended=Recommendation(wanted_relative_error=plain(trial.wanted), epsilon=_least(statements, trial.wanted)),
    )


def _statement(
    question: Question, ground: Ground, engine: DatasetEngine, trial: Trial, tell: Callable[[float], None]
) -> StatementReport:
    found, refusal = None, None
    try:
        found = accuracy(plans_of(question.statement, ground, engine, trial), ground, engine, trial, tell)
    except _REFUSALS as error:
        refusal = _refusal(error)
    return StatementReport(name=question.name, sql=question.statement.sql, accuracy=found, refusal=refusal)


def _refusal(error: Exception) -> Refusal:
    match error:
        case QueryNotPrivateError():
            return Refusal(code=error.code, reason=error.reason, hint=error.hint, line=error.line, column=error.column)
        case SqlSyntaxError():
            return Refusal(code="sql-syntax", reason=error.message, line=error.line, column=error.column)
        case PriceError():
            return Refusal(code=error.code, reason=error.reason)
        case PostprocessError():
            return Refusal(code="postprocess-failed", reason=error.reason)
        case _:
            return Refusal(code="not-simulated", reason=str(error))


def _least(statements: Sequence[StatementReport], wanted: Fraction) -> str | None:
    """The least epsilon at which every statement that has errors is exact enough."""
    tried = [each.accuracy.prices for each in statements if each.accuracy is not None]
    told = [prices for prices in tried if any(c.relative_error_median is not None for p in prices for c in p.columns)]
    for place, price in enumerate(told[0] if told else ()):
        if all(is_within(prices[place], wanted) for prices in told):
            return price.epsilon
    return None
