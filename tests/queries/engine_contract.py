"""What every engine must compute for any rows, in any order, cut into any partitions: written a second time, in Python.

A test module subclasses `EngineContract` and says how to open an engine over a `World`.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries.accumulator import Rows
from queries.engine import Engine, exact_sums
from queries.errors import IllegalPlanError
from queries.function_names import Function
from queries.plan import (
    BOOLEAN,
    INTEGER,
    VARCHAR,
    Aggregation,
    Block,
    Call,
    Column,
    Expression,
    Join,
    Key,
    Literal,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    TableAxis,
    ThresholdKeys,
)
from tests.queries.accumulation import summing, sums_of

Line = tuple[int, int | None, int | None, int | None]  # unit, product, week, amount
KeyValues = tuple[object, ...]

PRODUCTS: Mapping[int, str | None] = {-3: "drinks", 1: "bakery", 2: "drinks", 5: "drinks", 9: None}
DEPARTMENTS = (None, "bakery", "drinks")
UNITS = 12
WEEKS = (1, 2, 3)


@dataclass(frozen=True)
class World:
    """The rows of lines(_u, product_id, week, amount) as they are stored, the partitions, and the threads."""

    lines: tuple[Line, ...]
    partitions: tuple[tuple[int, int], ...] = ((0, UNITS),)
    threads: int = 1


@dataclass(frozen=True)
class Question:
    """An aggregation; and a second time, in Python: its keys in order, a line's key, and its value for each measure."""

    aggregation: Aggregation
    keys: Callable[[tuple[Line, ...]], list[KeyValues]]
    key_of: Callable[[Line], KeyValues | None]
    values_of: Callable[[Line], tuple[int, ...]]

    def expected(self, lines: tuple[Line, ...]) -> list[list[int]]:
        keys = {key: number for number, key in enumerate(self.keys(lines))}
        width = len(self.values_of((0, 0, 0, 0)))
        rows = Rows(width)
        rows.reserve(len(lines) + 1)
        for line in sorted(lines, key=lambda line: line[0]):
            key = self.key_of(line)
            if key is None or key not in keys:
                continue
            rows.units[rows.count], rows.groups[rows.count] = line[0], keys[key]
            rows.values[:, rows.count] = self.values_of(line)
            rows.count += 1
        accumulator = summing(self.aggregation, tuple(range(width)), len(keys), None)
        accumulator.add(rows, 0, UNITS)
        accumulator.close()
        return [[int(cell) for cell in vector] for vector in sums_of(accumulator)]


_LINES = Scan("lines", private=True, columns=(("product_id", INTEGER), ("week", INTEGER), ("amount", INTEGER)))
_PRODUCTS = Scan("products", private=False, columns=(("product_id", INTEGER), ("department", VARCHAR)))
_PRODUCT, _WEEK, _AMOUNT = (Column(0, name, INTEGER) for name in ("product_id", "week", "amount"))
_SAME_PRODUCT = Call(Function.EQUAL, (_PRODUCT, Column(1, "product_id", INTEGER)), BOOLEAN)
_JOINED = Relation(_LINES, (Join(_PRODUCTS, (_SAME_PRODUCT,)),))
_POSITIVE = Call(Function.LESS, (Literal(0, INTEGER), _AMOUNT), BOOLEAN)
_BY_DEPARTMENT = Key(
    (Column(1, "department", VARCHAR),), TableAxis(Relation(_PRODUCTS), (Column(0, "department", VARCHAR),))
)
_BY_PRODUCT = Key((_PRODUCT,), TableAxis(Relation(_PRODUCTS), (Column(0, "product_id", INTEGER),)))
_BY_WEEK = Key((_WEEK,), SeriesAxis(WEEKS[0], WEEKS[-1], Column(0, "v", INTEGER)))

_ROWS = Measure(MeasureKind.ROWS, None, 2)
_UNITS = Measure(MeasureKind.UNITS, None, 1)
_SUM = Measure(MeasureKind.SUM, _AMOUNT, 25, row_bounds=(-10, 10))
_SOME = Measure(MeasureKind.UNITS, _POSITIVE, 1)


def _question(
    relation: Relation,
    keys: tuple[Key, ...],
    listed: list[KeyValues],
    key_of: Callable[[Line], KeyValues | None],
    *blocks: Block,
) -> Question:
    aggregation = Aggregation(relation, PublicKeys(keys), blocks, UNITS)
    measures = [measure for block in blocks for measure in block.measures]
    return Question(aggregation, lambda _: listed, key_of, lambda line: tuple(_value(m, line) for m in measures))


def _value(measure: Measure, line: Line) -> int:
    amount = line[3]
    if measure.kind is MeasureKind.SUM:
        return amount or 0
    return 1 if measure.value is None else int(amount is not None and amount > 0)


def _block(*measures: Measure, most: int | None = None) -> Block:
    return Block(measures, 10**9, most)


def _department(line: Line) -> KeyValues | None:
    return (PRODUCTS[line[1]],) if line[1] is not None and line[1] in PRODUCTS else None


def _week_and_department(line: Line) -> KeyValues | None:
    department = _department(line)
    return None if department is None or line[2] is None else (line[2], *department)


def _threshold(expressions: tuple[Expression, ...], key_of: Callable[[Line], KeyValues]) -> Question:
    """Lines whose product is known, by the keys that occur among them."""
    aggregation = Aggregation(_JOINED, ThresholdKeys(expressions, 50, 10**9, 10**12), (_block(_SUM, most=50),), UNITS)

    def found(lines: tuple[Line, ...]) -> list[KeyValues]:
        keys = {key_of(line) for line in lines if line[1] in PRODUCTS}
        return sorted(keys, key=lambda key: [(part is not None, part) for part in key])

    def key(line: Line) -> KeyValues | None:
        return key_of(line) if line[1] in PRODUCTS else None

    return Question(aggregation, found, key, lambda line: (1, line[3] or 0))


_DEPARTMENT_KEYS: list[KeyValues] = [(name,) for name in DEPARTMENTS]
QUESTIONS: Mapping[str, Question] = {
    "totals": _question(Relation(_LINES), (), [()], lambda _: (), _block(_SUM, _ROWS), _block(_UNITS)),
    "by a joined column": _question(_JOINED, (_BY_DEPARTMENT,), _DEPARTMENT_KEYS, _department, _block(_SUM)),
    "by an own column": _question(
        Relation(_LINES), (_BY_PRODUCT,), [(p,) for p in sorted(PRODUCTS)], lambda line: (line[1],), _block(_ROWS)
    ),
    "by a series": _question(
        Relation(_LINES), (_BY_WEEK,), [(week,) for week in WEEKS], lambda line: (line[2],), _block(_UNITS)
    ),
    "by two axes": _question(
        _JOINED,
        (_BY_WEEK, _BY_DEPARTMENT),
        [(week, name) for week in WEEKS for name in DEPARTMENTS],
        _week_and_department,
        _block(_SUM, _SOME),
        _block(_ROWS),
    ),
    "by an own column between two axes": _question(
        _JOINED,
        (_BY_DEPARTMENT, _BY_PRODUCT, _BY_WEEK),
        [(name, product, week) for name in DEPARTMENTS for product in sorted(PRODUCTS) for week in WEEKS],
        lambda line: None if _department(line) is None else (PRODUCTS[line[1] or 0], line[1], line[2]),
        _block(_ROWS),
    ),
    "few groups a unit": _question(
        _JOINED, (_BY_DEPARTMENT,), _DEPARTMENT_KEYS, _department, _block(_SUM, most=1), _block(_ROWS, most=2)
    ),
    "with a condition": _question(
        Relation(_LINES, where=(_POSITIVE,)),
        (_BY_WEEK,),
        [(week,) for week in WEEKS],
        lambda line: (line[2],) if line[3] is not None and line[3] > 0 else None,
        _block(_ROWS),
    ),
    "keys of the rows": _threshold(
        (_WEEK, Column(1, "department", VARCHAR)), lambda line: (line[2], PRODUCTS[line[1] or 0])
    ),
    "numbers of the rows": _threshold((_PRODUCT, _WEEK), lambda line: (line[1], line[2])),
}

_line = st.tuples(
    st.integers(0, UNITS - 1),
    st.sampled_from([*PRODUCTS, 4, None]),
    st.sampled_from([0, *WEEKS, None]),
    st.none() | st.integers(-20, 20) | st.sampled_from([-(2**62), 2**62]),
)
_lines = st.lists(_line, max_size=60).map(tuple)


@st.composite
def _partitions(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    cuts = sorted({0, UNITS, *draw(st.lists(st.integers(1, UNITS - 1), max_size=4))})
    return tuple(pairwise(cuts))


class EngineContract:
    """Every engine passes these tests; subclasses give `opened`."""

    def opened(self, world: World) -> AbstractContextManager[Engine]:
        raise NotImplementedError

    @pytest.mark.parametrize("name", QUESTIONS)
    @given(lines=_lines, partitions=_partitions(), threads=st.integers(1, 3))
    @settings(max_examples=15)
    def test_sums_and_keys_are_those_of_the_rows(
        self, name: str, lines: tuple[Line, ...], partitions: tuple[tuple[int, int], ...], threads: int
    ) -> None:
        question = QUESTIONS[name]
        with self.opened(World(lines, partitions, threads)) as engine:
            found = exact_sums(engine, question.aggregation)
        keys = question.keys(lines)
        assert [tuple(row.values()) for row in found.keys.to_pylist()] == (keys if keys != [()] else [])
        assert [vector.tolist() for vector in found.sums] == question.expected(lines)
        assert all(vector.dtype == np.int64 for vector in found.sums)

    def test_one_engine_answers_one_question_after_another(self) -> None:
        lines: tuple[Line, ...] = ((0, 1, 1, 5), (0, 2, 2, 5), (3, 5, 3, -4))
        with self.opened(World(lines)) as engine:
            for question in [*QUESTIONS.values()] * 2:
                found = exact_sums(engine, question.aggregation)
                assert [vector.tolist() for vector in found.sums] == question.expected(lines)

    def test_more_units_than_the_plan_allows_for_are_refused(self) -> None:
        aggregation = Aggregation(Relation(_LINES), PublicKeys(), (_block(_ROWS),), UNITS - 1)
        with self.opened(World(())) as engine, pytest.raises(IllegalPlanError):
            exact_sums(engine, aggregation)

    def test_no_rows_give_zeros(self) -> None:
        with self.opened(World((), partitions=())) as engine:
            found = exact_sums(engine, QUESTIONS["by two axes"].aggregation)
        assert not np.concatenate(found.sums).any()
