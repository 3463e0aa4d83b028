"""Declared tables and columns as frozen models: what a row may hold.

A declared number is exact: Decimal in columns, Fraction in bounds and budgets, never a float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

Scalar = int | Decimal | str | date | bool
ColumnType = Literal["integer", "decimal", "string", "date", "boolean"]

MAX_DOMAIN_VALUES = 10_000
MAX_SCALE = 9
PAIR = 2
MAX_TEXT_CHARACTERS = 1_000
INT64_MAX = 2**63 - 1

_DECIMAL_TEXT = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][-+]?[0-9]{1,2})?")


def entry_mistakes(entries: list[tuple[int, str]]) -> PydanticCustomError:
    """An error about entries of one list, given as (index, message)."""
    text = "; ".join(f"entry {index}: {message}" for index, message in entries)
    return PydanticCustomError("entries", "{text}", {"text": text, "entries": entries})


def mistake(message: str) -> PydanticCustomError:
    """An error whose text is shown as it is."""
    return PydanticCustomError("policy", "{text}", {"text": message})


def _exact(value: object) -> Fraction:
    """The value as an exact Fraction; floats, booleans and odd texts are refused."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise mistake("must be a decimal number such as 0.5 or 1e-6")
    if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
        raise mistake("must be a decimal number such as 0.5 or 1e-6")
    return Fraction(value)


def _identifier(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value):
        raise mistake("must be a name of at most 63 lower-case letters, digits and '_', not starting with a digit")
    if isinstance(value, str) and value.startswith("_"):
        raise mistake("must not start with '_': such names are the vault's own")
    return value


def column_path(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}", value):
        raise mistake("must be 'table.column'")
    return value


Identifier = Annotated[str, Field(strict=True), BeforeValidator(_identifier)]
ColumnPath = Annotated[str, Field(strict=True), BeforeValidator(column_path)]
Text = Annotated[str, Field(strict=True, min_length=1, max_length=2_000)]
Flag = Annotated[bool, Field(strict=True)]
Integer = Annotated[int, Field(strict=True)]
Exact = Annotated[Fraction, BeforeValidator(_exact)]


class Model(BaseModel):
    """Frozen; an unknown key is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Column(Model):
    """One declared column: its type and what its values may be.

    `range` and `domain` hold values of the declared type (Decimal for decimals). A value outside the range is clamped,
    one outside the domain becomes NULL.
    """

    type: ColumnType
    scale: Integer = Field(default=0, ge=0, le=MAX_SCALE)
    nullable: Flag = False
    references: ColumnPath | None = None
    range: tuple[Scalar, Scalar] | None = None
    domain: tuple[Scalar, ...] | None = None
    description: Text | None = None

    @field_validator("range", mode="plain")
    @classmethod
    def _typed_range(cls, value: object, info: ValidationInfo) -> tuple[Scalar, Scalar] | None:
        kind = info.data.get("type")
        if value is None or kind is None or "scale" not in info.data:
            return None
        if kind not in {"integer", "decimal", "date"}:
            raise mistake(f"a {kind} column has no range; declare a domain")
        if not isinstance(value, list | tuple) or len(value) != PAIR:
            raise mistake("must be a list of two values: [lowest, highest]")
        low, high = typed_entries(list(value), kind, info.data["scale"])
        if low > high:  # type: ignore[operator]  # both are of the one declared type
            raise mistake("the lowest value is above the highest")
        return low, high

    @field_validator("domain", mode="plain")
    @classmethod
    def _typed_domain(cls, value: object, info: ValidationInfo) -> tuple[Scalar, ...] | None:
        kind = info.data.get("type")
        if value is None or kind is None or "scale" not in info.data:
            return None
        if kind == "boolean":
            raise mistake("a boolean column has the domain false, true by itself")
        if not isinstance(value, list | tuple) or not value:
            raise mistake("must be a list of at least one value")
        if len(value) > MAX_DOMAIN_VALUES:
            raise mistake(f"has more than {MAX_DOMAIN_VALUES} values")
        entries = typed_entries(list(value), kind, info.data["scale"])
        seen: dict[Scalar, int] = {}
        twice = [
            (index, f"stands twice, first as entry {seen[entry]}")
            for index, entry in enumerate(entries)
            if seen.setdefault(entry, index) != index
        ]
        if twice:
            raise entry_mistakes(twice)
        return tuple(entries)

    @property
    def minor_units(self) -> int:
        """How many stored integer units make one unit of the column: 100 for a decimal of scale 2."""
        return int(10**self.scale)

    @property
    def stored_range(self) -> tuple[int, int] | None:
        """The range of the stored integers (minor units for decimals); None for dates and where none is declared."""
        if self.range is None or self.type not in {"integer", "decimal"}:
            return None
        low, high = self.range
        return self.stored(low), self.stored(high)

    def stored(self, value: Scalar) -> int:
        """The stored integer of a declared integer or decimal value."""
        return int(Decimal(value) * self.minor_units)  # type: ignore[arg-type]  # numbers only, by the column's type

    @property
    def public_values(self) -> tuple[Scalar, ...] | None:
        """All values that a row can hold, NULL aside, when the policy alone tells them and they are at most 10,000."""
        if self.domain is not None:
            return self.domain
        if self.type == "boolean":
            return (False, True)
        if self.range is None or self.type == "decimal":
            return None
        low, high = self.range
        if isinstance(low, date) and isinstance(high, date):
            days = (high - low).days + 1
            return tuple(low + timedelta(days=n) for n in range(days)) if days <= MAX_DOMAIN_VALUES else None
        if isinstance(low, int) and isinstance(high, int) and high - low < MAX_DOMAIN_VALUES:
            return tuple(range(low, high + 1))
        return None


class Table(Model):
    """One table: private (every row belongs to one unit) or public (known to everybody).

    `line_items` says that it holds single purchases, which a unit may have left out while its other rows stay.
    """

    visibility: Literal["private", "public"]
    unit_column: Identifier | None = None
    unique_per_unit: Flag = False
    line_items: Flag = False
    key: Identifier | None = None
    columns: dict[Identifier, Column] = Field(min_length=1, max_length=1_000)
    values: tuple[tuple[Scalar | None, ...], ...] | None = None
    description: Text | None = None

    @field_validator("values", mode="plain")
    @classmethod
    def _typed_values(cls, value: object, info: ValidationInfo) -> tuple[tuple[Scalar | None, ...], ...] | None:
        columns: dict[str, Column] | None = info.data.get("columns")
        if value is None or columns is None:
            return None
        if not isinstance(value, list | tuple):
            raise mistake("must be a list of rows")
        rows, mistakes = [], []
        for index, row in enumerate(value):
            try:
                rows.append(_typed_row(row, columns))
            except ValueError as error:
                mistakes.append((index, str(error)))
        if mistakes:
            raise entry_mistakes(mistakes)
        return tuple(rows)

    @property
    def is_private(self) -> bool:
        return self.visibility == "private"

    def visible_columns(self) -> dict[str, Column]:
        """The columns that a query may name as values: all but the unit column."""
        return {name: column for name, column in self.columns.items() if name != self.unit_column}


def typed_entries(entries: list[object], kind: ColumnType, scale: int) -> list[Scalar]:
    """The entries as values of the declared type; raises a ValueError that names each one that is not."""
    typed: list[Scalar] = []
    mistakes: list[tuple[int, str]] = []
    for index, entry in enumerate(entries):
        try:
            typed.append(typed_value(entry, kind, scale))
        except ValueError as error:
            mistakes.append((index, str(error)))
    if mistakes:
        raise entry_mistakes(mistakes)
    return typed


def typed_value(value: object, kind: ColumnType, scale: int) -> Scalar:
    """The value as one of the declared type; raises ValueError."""
    return _TYPED[kind](value, scale)


def _typed_integer(value: object, scale: int) -> int:
    del scale
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistake("must be an integer")
    if abs(value) > INT64_MAX:
        raise mistake("does not fit in 64 bits")
    return value


def _typed_decimal(value: object, scale: int) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise mistake("must be a decimal number")
    if isinstance(value, str) and not _DECIMAL_TEXT.fullmatch(value):
        raise mistake("must be a decimal number")
    number = Decimal(value)
    minor = Fraction(number) * 10**scale
    if minor.denominator != 1:
        raise mistake(f"has more than {scale} decimals")
    if abs(minor) > INT64_MAX:
        raise mistake("does not fit in 64 bits of minor units")
    return number


def _typed_string(value: object, scale: int) -> str:
    del scale
    if not isinstance(value, str):
        raise mistake("must be text; put it in quotes")
    if len(value) > MAX_TEXT_CHARACTERS or "\x00" in value:
        raise mistake(f"must be at most {MAX_TEXT_CHARACTERS} characters without NUL")
    return value


def typed_date(value: object, scale: int = 0) -> date:
    del scale
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise mistake("must be a date such as 2017-01-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise mistake("must be a date such as 2017-01-31") from None


def _typed_boolean(value: object, scale: int) -> bool:
    del scale
    if not isinstance(value, bool):
        raise mistake("must be true or false")
    return value


_TYPED: Mapping[str, Callable[[object, int], Scalar]] = {
    "integer": _typed_integer,
    "decimal": _typed_decimal,
    "string": _typed_string,
    "date": typed_date,
    "boolean": _typed_boolean,
}


def _declared_value(cell: object, column: Column) -> Scalar:
    value = typed_value(cell, column.type, column.scale)
    if column.domain is not None and value not in column.domain:
        raise mistake("is outside the column's domain")
    if column.range is not None and not column.range[0] <= value <= column.range[1]:  # type: ignore[operator]
        raise mistake("is outside the column's range")
    return value


def _typed_row(row: object, columns: Mapping[str, Column]) -> tuple[Scalar | None, ...]:
    """A declared row: a mapping by column, a list in column order, or the bare value of a table of one column."""
    if isinstance(row, Mapping):
        unknown = [str(name) for name in row if name not in columns]
        if unknown:
            raise mistake(f"names the unknown columns {', '.join(sorted(unknown))}")
        cells: list[Any] = [row.get(name) for name in columns]
    else:
        cells = list(row) if isinstance(row, list | tuple) else [row]
    if len(cells) != len(columns):
        raise mistake(f"has {len(cells)} values for {len(columns)} columns")
    typed: list[Scalar | None] = []
    for cell, (name, column) in zip(cells, columns.items(), strict=True):
        if cell is None and not column.nullable:
            raise mistake(f"{name} is missing and is not nullable")
        try:
            typed.append(None if cell is None else _declared_value(cell, column))
        except ValueError as error:
            raise mistake(f"{name} {error}") from None
    return tuple(typed)
