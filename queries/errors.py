"""Everything the query core can refuse or fail with.

A refusal quotes the analyst's own text and the policy, never data. Once private rows were touched there is one error
left, `ReleaseFailedError`, and its text is constant.
"""

from __future__ import annotations

from dataclasses import dataclass


class QueryError(Exception):
    """The root of all errors of this package."""


class SqlSyntaxError(QueryError):
    """The text is not one readable SQL statement."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class QueryNotPrivateError(QueryError):
    """The statement is readable, but cannot be answered privately as it is written.

    `code` is stable and documented; `hint` says what to write instead; `rewrite` is the whole statement repaired, where
    a rule knows how and the planner accepts it.
    """

    def __init__(
        self,
        code: str,
        reason: str,
        *,
        hint: str | None = None,
        line: int | None = None,
        column: int | None = None,
        rewrite: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.hint = hint
        self.line = line
        self.column = column
        self.rewrite = rewrite


class PriceError(QueryError):
    """The price that the caller named is not one that can be paid: `invalid-price` or `max-epsilon-exceeded`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class IllegalPlanError(QueryError):
    """A plan was put together that is not safe to run: a bug of ours, caught at construction."""


class PlanTooLargeError(IllegalPlanError):
    """A plan beyond the limits on its size: a few lines of SQL can stand for an exponential amount of work."""


class EngineUnavailableError(QueryError):
    """No worker could take the work, and no private row was touched: nothing is charged."""


class ReleaseFailedError(QueryError):
    """The work was begun and did not end well: charged in full, and nothing more is said."""

    def __init__(self) -> None:
        super().__init__("The release did not finish. It is charged, because private rows may have been read.")


class PostprocessError(QueryError):
    """What runs on released and public tables failed there: `reason` names no private value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class LoadError(QueryError):
    """A dataset could not be loaded; the snapshot that was serving still serves."""


class ExclusionListError(LoadError):
    """The list of opt-outs and erasures cannot be used: nothing is recorded, and nothing is loaded without it."""


class ExclusionError(QueryError):
    """An opt-out or erasure cannot be recorded as it is asked for; the text repeats no id."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One mistake in a policy file: its line (from 1), the path of the entry, and what is wrong with it."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.path}: {self.message}"


class PolicyError(QueryError):
    """A policy file has mistakes; all of them are listed."""

    def __init__(self, problems: tuple[PolicyProblem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
