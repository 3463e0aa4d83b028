"""Plain DuckDB and Kvitto in turn, A B A B …, on one question: times, peaks of memory, and all answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from benchmarks.children import Child
from benchmarks.datasets import Prepared
from benchmarks.figures import Spread, ratios
from benchmarks.questions import EPSILON, Question
from queries.mechanisms import Gaussian

THREADS: Final = 2
PAIRS: Final = 9
_WARM_UP: Final = 2
_SAMPLED: Final = Gaussian.of(65_536 * 100, 10_000_000)  # the time hardly depends on the scale


@dataclass(frozen=True, slots=True)
class Measured:
    """One question on one dataset; `kvitto_…s_…` are of the service, the vault's worker and the public one, in turn."""

    question: Question
    size: str
    plain_seconds: Sequence[float]
    kvitto_seconds: Sequence[float]
    http_seconds: Sequence[float]
    noise_seconds: float  # sampling the noise alone, where that is counted apart: on the clock, and of the processor
    noise_cpu_seconds: float
    plain_cpu_seconds: float
    kvitto_cpu_seconds: Sequence[float]
    plain_peak_mib: float
    kvitto_peaks_mib: Sequence[float]
    truth: Sequence[Sequence[Any]]  # rows (keys…, answer)
    answers: Sequence[Sequence[Mapping[str, Any]]]
    receipt: Mapping[str, Any]

    @property
    def ratio(self) -> Spread:
        """Kvitto's time as a multiple of plain DuckDB's, apart from the noise where that is counted apart."""
        return ratios([seconds - self.noise_seconds for seconds in self.kvitto_seconds], self.plain_seconds)

    @property
    def cpu_ratio(self) -> float:
        """The same in processor time: what other work on the machine disturbs least."""
        return (sum(self.kvitto_cpu_seconds) - self.noise_cpu_seconds) / max(self.plain_cpu_seconds, 1e-3)

    @property
    def is_within_target(self) -> bool:
        return self.ratio.median <= self.question.target

    @property
    def kvitto_peak_mib(self) -> float:
        return sum(self.kvitto_peaks_mib)


def measure(prepared: Prepared, question: Question, over_http: Callable[[Question], float] | None) -> Measured:
    """The measurements of one question, each contestant in fresh processes of its own."""
    plain_seconds: list[float] = []
    kvitto_seconds: list[float] = []
    http_seconds: list[float] = []
    answers: list[Sequence[Mapping[str, Any]]] = []
    body: dict[str, Any] = {}
    with (
        TemporaryDirectory() as ledger,
        Child("benchmarks.plain_process", [str(prepared.plain_file), str(THREADS)]) as plain,
        Child("benchmarks.kvitto_process", [str(prepared.data_dir), ledger]) as kvitto,
    ):
        for _ in range(_WARM_UP):
            plain.ask(sql=question.sql, rows=False)
            kvitto.ask(sql=question.sql, options=question.options, epsilon=EPSILON)
        before = plain.cpu_seconds(), kvitto.cpu_seconds()
        for _ in range(PAIRS):
            plain_seconds.append(plain.ask(sql=question.sql, rows=False)["seconds"])
            answered = kvitto.ask(sql=question.sql, options=question.options, epsilon=EPSILON)
            body = answered["body"]
            kvitto_seconds.append(answered["seconds"])
            answers.append(body["rows"])
        after = plain.cpu_seconds(), kvitto.cpu_seconds()
        plain_peaks, kvitto_peaks = plain.peaks_mib(), kvitto.peaks_mib()
        if over_http is not None:
            http_seconds = [over_http(question) for _ in range(_WARM_UP + PAIRS)][_WARM_UP:]
        truth = plain.ask(sql=question.sql, rows=True)["rows"]
    noise = noise_seconds(2 * len(truth)) if question.options else (0.0, 0.0)
    return Measured(
        question=question,
        size=prepared.size,
        plain_seconds=plain_seconds,
        kvitto_seconds=kvitto_seconds,
        http_seconds=http_seconds,
        noise_seconds=noise[0],
        noise_cpu_seconds=noise[1],
        plain_cpu_seconds=(after[0][0] - before[0][0]) / PAIRS,
        kvitto_cpu_seconds=[(now - then) / PAIRS for then, now in zip(before[1], after[1], strict=True)],
        plain_peak_mib=plain_peaks[0],
        kvitto_peaks_mib=kvitto_peaks,
        truth=truth,
        answers=answers,
        receipt=body["receipt"],
    )


def noise_seconds(cells: int) -> tuple[float, float]:
    """The time that the product's sampler takes, on the clock and of the processor: medians of five."""
    exact = np.zeros(cells, np.int64)
    clock, processor = [], []
    for _ in range(5):
        started = time.perf_counter(), time.process_time()
        _SAMPLED.add_noise(exact)
        clock.append(time.perf_counter() - started[0])
        processor.append(time.process_time() - started[1])
    return median(clock), median(processor)
