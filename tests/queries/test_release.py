"""The release: what is charged is checked before a row is read, and only what passes a threshold is drawn for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from budgets.privacy_loss import PrivacyLoss
from queries.errors import IllegalPlanError
from queries.mechanisms import Choice, Gaussian, Vector, build
from queries.plan import (
    INTEGER,
    WEIGHT_ONE,
    Aggregation,
    Block,
    Column,
    Key,
    Measure,
    MeasureKind,
    PublicKeys,
    Relation,
    Scan,
    SeriesAxis,
    ThresholdKeys,
    TopKeys,
    ValuesAxis,
)
from queries.release import release
from tests.queries.fixed_engine import FixedEngine

_RELATION = Relation(Scan("lines", private=True, columns=(("k", INTEGER),)))
_KEY = Column(0, "k", INTEGER)
_BLOCKS = (
    Block((Measure(MeasureKind.ROWS, None, 1), Measure(MeasureKind.SUM, _KEY, 2)), 10**9),
    Block((Measure(MeasureKind.UNITS, None, 1),), 10**9),
)
OPEN = Aggregation(_RELATION, PublicKeys(), _BLOCKS, 100)
THRESHOLDED = Aggregation(_RELATION, ThresholdKeys((_KEY,), 4, 10**9, 10**12), _BLOCKS, 100)


def _engine(*sums: list[int]) -> FixedEngine:
    return FixedEngine([np.array(vector) for vector in sums], pa.table({"k0": list(range(10, 10 + len(sums[0])))}))


def _released(table: pa.Table) -> dict[str, list[int]]:
    """The keys and the measures."""
    return {name: values for name, values in table.to_pydict().items() if name[0] in "km"}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The exact vectors that noise was drawn for, in order; the noise is one of each cell."""
    vectors: list[list[int]] = []

    def add_noise(_mechanism: Gaussian, exact: Vector) -> Vector:
        vectors.append(exact.tolist())
        return exact + 1

    monkeypatch.setattr(Gaussian, "add_noise", add_noise)
    return vectors


@pytest.mark.parametrize("aggregation", [OPEN, THRESHOLDED], ids=["public keys", "threshold"])
@pytest.mark.parametrize(("rho_less", "delta_less"), [(1, 0), (0, 1), (10**9, 10**12)])
def test_what_would_lose_more_than_was_charged_reads_no_row(
    aggregation: Aggregation, rho_less: int, delta_less: int
) -> None:
    loss = build(aggregation).loss
    if delta_less and not loss.delta_atto:
        rho_less = max(rho_less, 1)
    charged = PrivacyLoss(loss.rho_nano - rho_less, max(0, loss.delta_atto - delta_less))
    engine = _engine([1, 2], [3, 4], [5, 6], [7, 8])
    with pytest.raises(IllegalPlanError):
        release(aggregation, charged, engine)
    assert engine.asked == []


def test_each_measure_has_a_column_aligned_with_the_keys(drawn: list[list[int]]) -> None:
    table = release(OPEN, OPEN.loss, _engine([1, 2], [3, 4], [5, 6]))
    assert _released(table) == {"k0": [10, 11], "m0": [2, 3], "m1": [4, 5], "m2": [6, 7]}
    assert drawn == [[1, 2], [3, 4], [5, 6]]


def test_a_release_without_keys_has_one_row(drawn: list[list[int]]) -> None:
    engine = FixedEngine([np.array([n]) for n in (1, 2, 3)], pa.table({}))
    assert _released(release(OPEN, OPEN.loss, engine)) == {"m0": [2], "m1": [3], "m2": [4]}


def test_no_noise_is_drawn_for_keys_that_do_not_pass(drawn: list[list[int]]) -> None:
    value = _threshold()
    engine = _engine([1, value, value - 1, 50 * WEIGHT_ONE], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12])
    table = release(THRESHOLDED, THRESHOLDED.loss, engine)
    assert _released(table) == {"k0": [11, 13], "m0": [3, 5], "m1": [7, 9], "m2": [11, 13]}
    assert drawn[1:] == [[2, 4], [6, 8], [10, 12]]


def test_a_key_that_bounding_left_to_no_unit_is_no_candidate(drawn: list[list[int]]) -> None:
    engine = _engine([0, 50 * WEIGHT_ONE, 0], [1, 2, 3], [4, 5, 6], [7, 8, 9])
    assert release(THRESHOLDED, THRESHOLDED.loss, engine).column("k0").to_pylist() == [11]
    assert drawn[0] == [50 * WEIGHT_ONE]


def test_a_threshold_that_no_key_passes_gives_no_row(drawn: list[list[int]]) -> None:
    table = release(THRESHOLDED, THRESHOLDED.loss, _engine([1, 2], [1, 2], [1, 2], [1, 2]))
    assert table.num_rows == 0
    assert list(_released(table)) == ["k0", "m0", "m1", "m2"]


def test_an_engine_with_another_number_of_vectors_is_not_trusted() -> None:
    with pytest.raises(ValueError, match="argument"):
        release(OPEN, OPEN.loss, _engine([1, 2], [3, 4]))


def test_a_rare_key_is_not_released() -> None:
    engine = _engine([WEIGHT_ONE] * 2_000, *[[0] * 2_000] * 3)
    assert release(THRESHOLDED, THRESHOLDED.loss, engine).num_rows == 0


def test_real_noise_moves_the_cells() -> None:
    table = release(OPEN, OPEN.loss, _engine(*[[0] * 200] * 3))
    assert len(set(table.column("m0").to_pylist())) > 100


def _threshold() -> int:
    threshold = build(THRESHOLDED).threshold
    if threshold is None:
        raise ValueError(threshold)
    return threshold.value


_AXIS = SeriesAxis(0, 99, Column(0, "v", INTEGER))
TOP = Aggregation(_RELATION, TopKeys(Key((_KEY,), _AXIS), 2, 10**9), _BLOCKS[1:], 100)


def test_of_many_keys_only_those_that_were_chosen_are_measured(
    drawn: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Choice, "among", lambda choice, scores: np.argsort(-scores, kind="stable")[: choice.count])
    engine = _engine([5, 9, 0, 7])
    release(TOP, TOP.loss, engine)
    counting, measured = engine.asked
    assert counting == TOP.counting
    assert isinstance(measured.keys, PublicKeys)
    (key,) = measured.keys.keys
    assert isinstance(key.axis, ValuesAxis)
    assert [literal.value for literal in key.axis.values] == [11, 13]
    assert measured.blocks == TOP.blocks
    assert drawn == [[5, 9, 0, 7]]  # of the second answer alone


def test_a_choice_that_would_lose_more_than_was_charged_reads_no_row() -> None:
    engine = _engine([1, 2])
    with pytest.raises(IllegalPlanError):
        release(TOP, PrivacyLoss(TOP.loss.rho_nano - 1), engine)
    assert not engine.asked
