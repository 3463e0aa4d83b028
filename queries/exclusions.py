"""Who is left out of later snapshots: what was asked for, unit by unit, and what of it holds now.

A unit is known here by its keyed pseudonym alone. Tables are of two sorts: those of line items and the others. The
level `line_items` is about the former, `all` about both; what was recorded last about a sort of tables holds for it.

**Why it is private.** Leaving out is a filter of rows: whether a row enters depends on its own unit, on what was
recorded about that unit, on its day and on the policy. So a dataset with one unit more in its sources has that unit's
rows more in its vault, or none more: a stable transformation, with factor 1 (McSherry 2009, PINQ, section 4.1). The
neighbours stay what they were, with what was recorded about a unit as a part of that unit's data: whether somebody
opted out is protected like their purchases. Who is left out is not in the data, and no release depends on their rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from queries.errors import ExclusionError
from queries.policy import Policy

Level = Literal["all", "line_items"]
Kind = Literal["opt-out", "erasure", "withdrawal"]
Sort = Literal["line items", "other rows"]

MOST_ID_CHARACTERS: Final = 200
_SORTS: Final[dict[Level, tuple[Sort, ...]]] = {"all": ("line items", "other rows"), "line_items": ("line items",)}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_INT64 = 2**63
_LEAST_TELLING = 4  # characters: shorter ids stand in any text by chance


@dataclass(frozen=True, slots=True)
class Recorded:
    """One thing that was recorded about one unit; `day` is in UTC."""

    pseudonym: bytes
    level: Level
    kind: Kind
    day: date


@dataclass(frozen=True, slots=True)
class LeftOut:
    """That a unit's rows in tables of a sort do not enter: those before `first_day` and those without a day, or all."""

    pseudonym: bytes
    sort: Sort
    first_day: date | None


@dataclass(slots=True)
class _State:
    out: bool = False
    erased: bool = False
    first_day: date | None = None  # of the rows that may enter after an erasure, once it was withdrawn

    def take(self, kind: Kind, day: date) -> None:
        self.out = kind != "withdrawal"
        if kind == "erasure":
            self.erased, self.first_day = True, None
        elif kind == "withdrawal" and self.erased and self.first_day is None:
            self.first_day = day + timedelta(days=1)


def left_out(recorded: Iterable[Recorded]) -> tuple[LeftOut, ...]:
    """What holds after all that was recorded, in its order.

    An opt-out that was withdrawn leaves nothing out. Rows that were erased stay out for good: after a withdrawal only
    those from the next day on enter, and they have to have a day.
    """
    states: dict[tuple[bytes, Sort], _State] = {}
    for each in recorded:
        for sort in _SORTS[each.level]:
            states.setdefault((each.pseudonym, sort), _State()).take(each.kind, each.day)
    return tuple(
        LeftOut(pseudonym, sort, None if state.out else state.first_day)
        for (pseudonym, sort), state in states.items()
        if state.out or state.erased
    )


def check_level(policy: Policy, level: Level) -> None:
    """Raises ExclusionError for line items of a dataset that declares no table of line items."""
    if level == "line_items" and not policy.has_line_items:
        raise ExclusionError("The policy of this dataset declares no table of line items: use the level 'all'.")


def unit_texts(policy: Policy, ids: Sequence[str | int]) -> tuple[str, ...]:
    """The ids as the vault's loading writes them; raises ExclusionError, which repeats none of them."""
    table = next(iter(policy.private_tables().values()))
    if table.columns[table.unit_column or ""].type == "string":
        texts = tuple(str(each) for each in ids)
        if any(not 1 <= len(text) <= MOST_ID_CHARACTERS for text in texts):
            raise ExclusionError(f"An id has no characters, or more than {MOST_ID_CHARACTERS}.")
        return texts
    return tuple(_integer_text(str(each)) for each in ids)


def check_reason(reason: str, texts: Sequence[str]) -> None:
    """Raises ExclusionError for a reason that names one of the ids: reasons are kept as they are."""
    if any(len(text) >= _LEAST_TELLING and text in reason for text in texts):
        raise ExclusionError("The reason names one of the ids: write it without, it is kept as it is.")


def _integer_text(text: str) -> str:
    if not _INTEGER.fullmatch(text) or not -_INT64 <= int(text) < _INT64:
        raise ExclusionError("An id is not an integer, as this dataset's ids are, or is written with leading zeros.")
    return str(int(text))
