"""Plain DuckDB and Kvitto in turn, A B A B …, on one question: times, peaks of memory, and all answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.children import Child
from benchmarks.datasets import Prepared
from benchmarks.figures import Spread, ratios
from benchmarks.noise import held_keys, noise_seconds
from benchmarks.questions import EPSILON, Question

THREADS: Final = 2
PAIRS: Final = 9
_WARM_UP: Final = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """One question on one dataset; `kvitto_…s_…` are of the service, the vault's worker and the public one, in turn."""

    question: Question
    size: str
    plain_seconds: Sequence[float]
    kvitto_seconds: Sequence[float]
    http_seconds: Sequence[float]
    noise_seconds: Sequence[float]  # sampling as much noise as each answer needed, where that is counted apart
    noise_cpu_seconds: Sequence[float]
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
        if not self.noise_seconds:
            return ratios(self.kvitto_seconds, self.plain_seconds)
        rest = [whole - noise for whole, noise in zip(self.kvitto_seconds, self.noise_seconds, strict=True)]
        if min(rest) <= 0:
            raise ValueError(f"{self.question.name}: the noise alone took longer than the whole question")
        return ratios(rest, self.plain_seconds)

    @property
    def cpu_ratio(self) -> float:
        """The same in processor time: what other work on the machine disturbs least."""
        noise = mean(self.noise_cpu_seconds) if self.noise_cpu_seconds else 0.0
        return (sum(self.kvitto_cpu_seconds) - noise) / max(self.plain_cpu_seconds, 1e-3)

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
    noise: list[tuple[float, float]] = []
    held = held_keys(prepared, question, THREADS) if question.options else 0
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
            if held:
                noise.append(noise_seconds(held + len(body["rows"])))
        after = plain.cpu_seconds(), kvitto.cpu_seconds()
        plain_peaks, kvitto_peaks = plain.peaks_mib(), kvitto.peaks_mib()
        if over_http is not None:
            http_seconds = [over_http(question) for _ in range(_WARM_UP + PAIRS)][_WARM_UP:]
        truth = plain.ask(sql=question.sql, rows=True)["rows"]
    return Measured(
        question=question,
        size=prepared.size,
        plain_seconds=plain_seconds,
        kvitto_seconds=kvitto_seconds,
        http_seconds=http_seconds,
        noise_seconds=[clock for clock, _ in noise],
        noise_cpu_seconds=[processor for _, processor in noise],
        plain_cpu_seconds=(after[0][0] - before[0][0]) / PAIRS,
        kvitto_cpu_seconds=[(now - then) / PAIRS for then, now in zip(before[1], after[1], strict=True)],
        plain_peak_mib=plain_peaks[0],
        kvitto_peaks_mib=kvitto_peaks,
        truth=truth,
        answers=answers,
        receipt=body["receipt"],
    )
