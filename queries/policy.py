"""Policy files: a dataset's declared schema, unit, bounds, budget, retention and sensitive groups.

`load_policy` is the one way to a `Policy`. It names every mistake with its line and path, all of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from queries.errors import PolicyError, PolicyProblem
from queries.policy_columns import Column, ColumnType, Scalar, Table
from queries.policy_model import (
    Blocks,
    Bound,
    Budget,
    Calendar,
    Limit,
    PersonBudget,
    Policy,
    PublicRows,
    Purpose,
    QueryLimits,
    Reliability,
    Retention,
    SensitiveGroup,
    SensitiveReference,
    SensitiveView,
    SharedBudget,
    Unit,
)
from queries.policy_rules import broken_rules
from queries.policy_yaml import Document, Path, path_text, read_document, refusal

__all__ = [
    "Blocks",
    "Bound",
    "Budget",
    "Calendar",
    "Column",
    "ColumnType",
    "Limit",
    "PersonBudget",
    "Policy",
    "PublicRows",
    "Purpose",
    "QueryLimits",
    "Reliability",
    "Retention",
    "Scalar",
    "SensitiveGroup",
    "SensitiveReference",
    "SensitiveView",
    "SharedBudget",
    "Table",
    "Unit",
    "load_policy",
]


def load_policy(text: str, origin: str = "policy") -> Policy:
    """The policy in `text`; raises PolicyError with all its mistakes. `origin` names the file in the error's notes."""
    try:
        return _checked(read_document(text))
    except PolicyError as error:
        error.add_note(f"in {origin}")
        raise


def _checked(document: Document) -> Policy:
    if not isinstance(document.value, dict):
        raise refusal(
            document.line_of(()), path_text(()), "a policy is a mapping of entries such as 'dataset: journey'"
        )
    problems = list(document.problems)
    policy, mistakes = _validated(document.value)
    mistakes = [(path, message) for path, message in mistakes if path not in document.blanks]
    mistakes += [(path, "is a blank of the draft: fill it in") for path in document.blanks]
    problems += [_problem(document, path, message) for path, message in mistakes]
    if mistakes:
        problems += _rules_of_the_sound_part(document, [path for path, _ in mistakes])
    elif policy is not None:
        problems += [_problem(document, path, message) for path, message in broken_rules(policy)]
    if policy is None or problems:
        raise PolicyError(tuple(sorted(set(problems), key=lambda p: (p.line, p.path, p.message))))
    return policy


def _problem(document: Document, path: Path, message: str) -> PolicyProblem:
    return PolicyProblem(document.line_of(path), path_text(path), message)


def _validated(value: dict[str, Any]) -> tuple[Policy | None, list[tuple[Path, str]]]:
    try:
        return Policy.model_validate(value), []
    except ValidationError as error:
        return None, [mistake for details in error.errors() for mistake in _mistakes(details)]


_FRIENDLIER = {
    "missing": "is missing",
    "extra_forbidden": "is not a known entry",
    "model_type": "must be a mapping of entries",
    "dict_type": "must be a mapping of entries",
    "tuple_type": "must be a list",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be an integer",
    "bool_type": "must be true or false",
}


def _mistakes(details: ErrorDetails) -> list[tuple[Path, str]]:
    """(path, message) of one pydantic error; an error about list entries becomes one for each."""
    context = details.get("ctx", {})
    path = tuple(part for part in details["loc"] if part != "[key]")
    if details["type"] == "entries":
        return [((*path, index), message) for index, message in context["entries"]]
    message = _FRIENDLIER.get(details["type"], str(details["msg"]).replace("Input should be", "must be"))
    return [(path, message[0].lower() + message[1:])]


_HARMLESS: dict[str, Any] = {
    "dataset": "dataset",
    "title": "title",
    "description": None,
    "unit": {"name": "unit", "label": "unit"},
    "max_units": 1,
    "max_groups_contributed": 1,
    "budget": {"epsilon": 100, "delta": "1e-3", "delta_for_thresholds": "9e-4"},
    "query": {"default_epsilon": "0.01", "max_epsilon": "0.01"},
    "purposes": {},
    "accounts": {},
    "persons": {},
    "tables": {},
    "bounds": [],
    "retention": {"days": 1, "column": "no.column"},
    "blocks": None,
    "sensitive": [],
    "public_rows": None,
    "reliability": {},
}
_ABOUT_THE_REST = ("at least one table", "must refer to the key", "needs a column", "needs a key")


@dataclass(slots=True)
class _SoundPart:
    """The policy without its broken entries, so that the rules between the others can still be checked."""

    value: dict[str, Any]
    cut: set[Path] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)

    def leave_out(self, path: Path) -> None:
        """Leaves out the smallest entry around `path` that can be spared, or puts a harmless one in its place."""
        match path:
            case ("tables", table, "columns", column, *_):
                self.cut.add(("tables", table, "columns", column))
            case ("tables" | "purposes" | "accounts" | "persons" | "bounds" | "sensitive" as section, entry, *_):
                self.cut.add((section, entry))
            case ("retention", "days" | "as_of" as entry, *_) if isinstance(self.value["retention"], dict):
                sound = {**self.value["retention"], entry: _HARMLESS["retention"].get(entry)}
                self.value = {**self.value, "retention": sound}
            case (section, *_):
                self.replaced.add(str(section))

    def is_about_a_cut(self, path: Path, message: str) -> bool:
        """Whether the problem is there only because something was left out."""
        for gone in self.cut:
            match gone:
                case ("tables", str(table), "columns", str(column)):
                    here = path[:2] == ("tables", table)
                    if f"'{table}.{column}'" in message or (here and f"'{column}'" in message):
                        return True
                case ("tables", str(table)) if f"'{table}." in message or f"'{table}'" in message:
                    return True
                case ("purposes" | "accounts", str(name)) if f"'{name}'" in message:
                    return True
            if gone[0] == "tables" and message.startswith(_ABOUT_THE_REST):
                return True
        return False

    def raw(self) -> tuple[dict[str, Any], dict[tuple[str, int], int]]:
        """The sound raw policy, and (section, index in it) -> index in the file for the lists."""
        raw = {key: value for key, value in self.value.items() if key in Policy.model_fields}
        raw |= {name: _HARMLESS[name] for name in self.replaced if name in _HARMLESS}
        moved: dict[tuple[str, int], int] = {}
        for section in ("tables", "purposes", "accounts", "persons", "bounds", "sensitive"):
            entries = raw.get(section)
            if isinstance(entries, dict):
                raw[section] = {name: entry for name, entry in entries.items() if (section, name) not in self.cut}
            elif isinstance(entries, list):
                kept = [index for index in range(len(entries)) if (section, index) not in self.cut]
                moved |= {(section, now): index for now, index in enumerate(kept)}
                raw[section] = [entries[index] for index in kept]
        for name, table in raw.get("tables", {}).items():
            columns = table["columns"].items()
            sound = {column: entry for column, entry in columns if ("tables", name, "columns", column) not in self.cut}
            raw["tables"] = {**raw["tables"], name: {**table, "columns": sound}}
        return raw, moved


def _rules_of_the_sound_part(document: Document, paths: list[Path]) -> list[PolicyProblem]:
    """Problems between the entries that are right by themselves: as many as can be told in one go.

    What is said only because a broken entry was left out is dropped. If too little is left, there is nothing to add.
    """
    part = _SoundPart(document.value)
    for path in paths:
        part.leave_out(path)
    raw, moved = part.raw()
    policy, mistakes = _validated(raw)
    if policy is None or mistakes:
        return []
    problems = []
    for path, message in broken_rules(policy):
        if path[0] in part.replaced or part.is_about_a_cut(path, message):
            continue
        problems.append(_problem(document, _as_in_file(path, moved), message))
    return problems


def _as_in_file(path: Path, moved: dict[tuple[str, int], int]) -> Path:
    match path:
        case (str(section), int(index), *rest):
            return (section, moved[section, index], *rest)
    return path
