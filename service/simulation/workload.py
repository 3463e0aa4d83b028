"""Workloads: the statements that a dataset is for, from a file of SQL or of YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from queries.errors import PolicyError
from queries.policy_yaml import read_document
from service.schemas import QueryBody
from service.simulation.errors import SimulationError
from service.simulation.rehearsal import Rehearsed

_YAML = {".yaml", ".yml"}
_MOST_STATEMENTS = 200
_NAME = re.compile(r"^[ \t]*--[ \t]*name:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
_PIECES = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]* | /\*.*?\*/ | (?P<end>;) | .""", re.VERBOSE | re.DOTALL
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Question:
    """One statement of a workload, with its name in the report."""

    name: str
    statement: Rehearsed


def read_workload(path: Path, dataset: str) -> list[Question]:
    """The statements in order; raises SimulationError where the file is none, or holds none.

    A file that ends in .yaml or .yml is a list of statements, or of mappings of `sql` and perhaps `name`, `params`,
    `options` and `purpose`, as in a request. Any other holds SQL, statements ended by `;`, each perhaps with a line
    `-- name: …`. Statements without a name are numbered.
    """
    try:
        text = path.read_text(encoding="utf-8")
        entries = list(_of_yaml(text) if path.suffix.lower() in _YAML else _of_sql(text))
    except (OSError, UnicodeDecodeError):
        raise SimulationError(f"The workload {path} cannot be read as UTF-8 text.") from None
    except PolicyError as error:
        raise SimulationError(f"The workload {path} is not readable: {error}") from None
    if not entries:
        raise SimulationError(f"The workload {path} holds no statement.")
    if len(entries) > _MOST_STATEMENTS:
        raise SimulationError(f"A workload has at most {_MOST_STATEMENTS} statements.")
    return [_question(number, entry, dataset) for number, entry in enumerate(entries, start=1)]


def _of_sql(text: str) -> Iterator[dict[str, object]]:
    """The statements between semicolons that stand in no text and no comment."""
    start = 0
    for end in [*(piece.start() for piece in _PIECES.finditer(text) if piece["end"]), len(text)]:
        part, start = text[start:end], end + 1
        if _COMMENT.sub("", part):
            name = _NAME.search(part)
            yield {"sql": part.strip(), **({"name": name[1]} if name else {})}


def _of_yaml(text: str) -> Iterator[dict[str, object]]:
    document = read_document(text)
    if document.problems:
        raise PolicyError(tuple(document.problems))
    if not isinstance(document.value, list):
        raise SimulationError("A workload in YAML is a list of statements.")
    for entry in document.value:
        yield entry if isinstance(entry, dict) else {"sql": entry}


def _question(number: int, entry: dict[str, object], dataset: str) -> Question:
    name = str(entry.get("name", f"statement {number}"))
    given = {member: value for member, value in entry.items() if member != "name"}
    try:
        body = QueryBody.model_validate({"dataset": dataset, **given})
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SimulationError(f"{name} of the workload: {found}") from None
    return Question(name, Rehearsed(body.sql, body.params, body.option_values(), body.purpose))
