"""Reads a policy's YAML into plain values and remembers on which line each stands.

Only a small, safe part of YAML is read: one document of mappings, lists and scalars. Anchors, aliases, tags, merge
keys, deep nesting and large files are refused, so a file cannot blow up while it is read. Numbers stay exact: `1e-6`
becomes a Decimal, never a float.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from queries.errors import PolicyError, PolicyProblem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 12
BLANK = "FILL_IN"
MAX_SCALAR_CHARACTERS = 10_000

Path = tuple[str | int, ...]
Value = dict[str, Any] | list[Any] | str | int | Decimal | bool | None

_INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[-+]?([0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40}|[0-9]{1,40}(?=[eE]))([eE][-+]?[0-9]{1,3})?")
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(slots=True)
class Document:
    """The plain values of one file, the line of every entry, and the duplicate keys found on the way."""

    value: Any
    lines: dict[Path, int]
    problems: list[PolicyProblem]
    blanks: tuple[Path, ...] = ()  # where a draft's blank was left

    def line_of(self, path: Path) -> int:
        """The line of the entry, or of the nearest entry around it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_document(text: str) -> Document:
    """The document in `text`; raises PolicyError for what is not readable as the safe part of YAML."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise refusal(1, path_text(()), f"the file is larger than {MAX_BYTES} bytes")
    builder = _Builder()
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise refusal(mark.line + 1 if mark else 1, path_text(()), f"not readable as YAML: {error.problem}") from None
    except (YAMLError, ValueError) as error:
        raise refusal(1, path_text(()), f"not readable as YAML: {str(error).splitlines()[0]}") from None
    return Document(builder.root, builder.lines, builder.problems, tuple(builder.blanks))


def refusal(line: int, path: str, message: str) -> PolicyError:
    """A PolicyError with one problem."""
    return PolicyError((PolicyProblem(line, path, message),))


def path_text(path: Path) -> str:
    """The path as it is shown: `tables.purchases.columns.amount.range[0]`."""
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part}" if shown else part
    return shown or "policy"


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end was not yet read."""

    path: Path
    value: dict[str, Any] | list[Any]
    key: str | None = None
    skipping: bool = False  # the key was a duplicate: its value is read and dropped


@dataclass(slots=True)
class _Builder:
    root: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[PolicyProblem] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    blanks: list[Path] = field(default_factory=list)
    documents: int = 0

    def take(self, event: Event) -> None:
        if isinstance(event, DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise refusal(_line(event), path_text(()), "a policy is one document: remove the second '---'")
        if isinstance(event, NodeEvent):
            self._refuse_unsafe(event)
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent):
            self._open({}, _line(event))
        elif isinstance(event, SequenceStartEvent):
            self._open([], _line(event))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self.stack.pop()

    def _refuse_unsafe(self, event: NodeEvent) -> None:
        if isinstance(event, AliasEvent) or event.anchor is not None:
            raise refusal(_line(event), self._here(), "anchors and aliases are not allowed in a policy")
        if getattr(event, "tag", None) not in {None, "!"}:
            raise refusal(_line(event), self._here(), "tags are not allowed in a policy")

    def _scalar(self, event: ScalarEvent) -> None:
        if len(event.value) > MAX_SCALAR_CHARACTERS:
            raise refusal(_line(event), self._here(), f"longer than {MAX_SCALAR_CHARACTERS} characters")
        value = _plain_value(event.value) if event.implicit[0] else event.value
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, _line(event))
            if event.value == BLANK:
                self.blanks.append((*top.path, event.value))
            return
        path = self._place(value, _line(event))
        if event.value == BLANK:
            self.blanks.append(path)

    def _key(self, top: _Open, key: str, line: int) -> None:
        top.key = key
        top.skipping = key in top.value
        path = (*top.path, key)
        if top.skipping:
            message = f"'{key}' stands twice; the first is on line {self.lines[path]}"
            self.problems.append(PolicyProblem(line, path_text(path), message))
        else:
            self.lines[path] = line

    def _open(self, value: dict[str, Any] | list[Any], line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise refusal(line, self._here(), f"nested deeper than {MAX_DEPTH} levels")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise refusal(line, self._here(), "a key must be plain text")
        self.stack.append(_Open(self._place(value, line), value))

    def _place(self, value: Value, line: int) -> Path:
        """Puts the value where it belongs and returns its path."""
        if not self.stack:
            self.root = value
            self.lines[()] = line
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            path = (*top.path, len(top.value))
            top.value.append(value)
            self.lines[path] = line
            return path
        key = top.key or ""
        path = (*top.path, key)
        if not top.skipping:
            top.value[key] = value
        top.key, top.skipping = None, False
        return path

    def _here(self) -> str:
        if not self.stack:
            return path_text(())
        top = self.stack[-1]
        return path_text((*top.path, top.key) if top.key is not None else top.path)


def _plain_value(text: str) -> Value:
    """The value of an unquoted scalar: YAML 1.2's core types, without octal, hexadecimal, infinity and NaN."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1
