"""The workers of one dataset: keepers of the vault and readers of public tables, always as many as were asked for.

A thread takes a worker, uses it, and gives it back. A worker that overran its deadline or died is replaced.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Lock

from queries.errors import EngineUnavailableError
from queries.plan import Aggregation, Axis
from queries.worker_process import Deadlines, WorkerProcess
from queries.worker_wire import Setup

_MIB = 1 << 20
_FAREWELL_SECONDS = 1.0
_CODE_BYTES = 1536 * _MIB  # address space of libraries, stacks and allocators, used or not


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """What workers open: one snapshot's files, the private one's key, and statements that make empty private tables.

    Of a `simulation` the rows are made up, or declared public, so that its workers tell exact sums as well.
    """

    id: str
    private_file: Path
    public_file: Path
    twin: tuple[str, ...]
    vault_key: str = field(repr=False)
    simulation: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How many workers there are and what each may use; `wait_seconds` is how long a caller waits for a free one.

    An analyst's statement on public and released tables is interrupted after `statement_seconds`.
    """

    cache_directory: Path  # of compiled code; made if absent
    vault_workers: int = 1
    public_workers: int = 1
    threads: int = 2
    memory_bytes: int = 2048 * _MIB
    wait_seconds: float = 10.0
    statement_seconds: float = 2.0
    deadlines: Deadlines = field(default_factory=Deadlines)


class Workers:
    """A fixed number of processes with one setup, checked out by threads."""

    def __init__(self, make: Callable[[], WorkerProcess], count: int, wait_seconds: float) -> None:
        self._make = make
        self._count = count
        self._wait_seconds = wait_seconds
        self._changed = Condition()
        self._idle: list[WorkerProcess] = []
        self._turns: deque[object] = deque()  # of those who wait: who came first is served first
        self._living = 0
        self._closed = False
        try:
            self._top_up()
        except EngineUnavailableError:
            self.close()
            raise

    @property
    def in_use(self) -> bool:
        """After `close`: whether a thread still has a worker."""
        with self._changed:
            return self._living > 0

    def wait_ready(self, seconds: float) -> None:
        """Return when all idle workers have opened their files; raises EngineUnavailableError if one cannot."""
        deadline = time.monotonic() + seconds
        with self._changed:
            workers = list(self._idle)
        for worker in workers:
            if not worker.wait_ready(deadline - time.monotonic()):
                raise EngineUnavailableError("A worker did not start in time.")

    @contextmanager
    def checkout(self) -> Iterator[WorkerProcess]:
        """A worker for this thread alone; raises EngineUnavailableError if none gets free in time."""
        worker = self._take()
        try:
            yield worker
        finally:
            self._give_back(worker)

    def close(self) -> None:
        """End the idle workers now, and each of the others when it is given back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._living -= len(idle)
            self._changed.notify_all()
        for worker in idle:
            worker.close()

    def drain(self, seconds: float) -> None:
        """After `close`: wait until all workers were given back, at most so long."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._living and self._changed.wait(deadline - time.monotonic()):
                pass

    def _take(self) -> WorkerProcess:
        """A worker that answered just now: what is wrong with one should show before anything is begun."""
        deadline = time.monotonic() + self._wait_seconds
        while True:
            worker = self._pop(deadline)
            was_ready = worker.ready
            try:
                if worker.wait_ready(deadline - time.monotonic()):
                    worker.ping()
                    return worker
            except EngineUnavailableError:
                self._give_back(worker)
                if not was_ready:  # it could not open its files, and neither will the next one
                    raise
            else:
                self._give_back(worker)

    def _pop(self, deadline: float) -> WorkerProcess:
        """An idle worker, in turn, one that is ready if there is any."""
        self._top_up()
        with self._changed:
            turn = object()
            self._turns.append(turn)
            try:
                while not self._idle or self._turns[0] is not turn:
                    left = deadline - time.monotonic()
                    if self._closed or left <= 0 or not self._changed.wait(left):
                        raise EngineUnavailableError("No worker is free.")
                if time.monotonic() > deadline:
                    raise EngineUnavailableError("No worker is free.")
                self._idle.sort(key=lambda worker: worker.ready)
                return self._idle.pop()
            finally:
                self._turns.remove(turn)
                self._changed.notify_all()

    def _give_back(self, worker: WorkerProcess) -> None:
        if worker.alive:
            self._add(worker)
        else:
            with self._changed:
                self._living -= 1
                self._changed.notify_all()
            worker.close()
            with suppress(EngineUnavailableError):  # this caller has its answer; the next one tries again
                self._top_up()

    def _top_up(self) -> None:
        """Start as many processes as are missing; what fails to start is tried again at the next call."""
        while True:
            with self._changed:
                if self._closed or self._living >= self._count:
                    return
                self._living += 1
            try:
                worker = self._make()
            except OSError as error:
                with self._changed:
                    self._living -= 1
                raise EngineUnavailableError("A worker could not be started.") from error
            self._add(worker)

    def _add(self, worker: WorkerProcess) -> None:
        with self._changed:
            if not self._closed:
                self._idle.append(worker)
                self._changed.notify_all()
                return
            self._living -= 1
            self._changed.notify_all()
        worker.close()


class WorkerPool:
    """The workers for the snapshot that serves now.

    Hold a vault worker before the budget is touched, so that a busy vault costs nothing:
    `with pool.vault() as worker: …reserve and begin…; worker.release(aggregation, loss)`.
    """

    def __init__(self, snapshot: SnapshotFiles, settings: WorkerSettings) -> None:
        settings.cache_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._settings = settings
        self._spawner = ThreadPoolExecutor(1, "spawner")  # one thread, as long-lived as the pool: see WorkerProcess
        self._swapping = Lock()
        self._retired: list[_Serving] = []
        try:
            self._serving = self._open(snapshot)
        except EngineUnavailableError:
            self._spawner.shutdown()
            raise

    @property
    def snapshot_id(self) -> str:
        """The snapshot that serves now."""
        return self._serving.snapshot_id

    @contextmanager
    def vault(self, snapshot_id: str | None = None) -> Iterator[WorkerProcess]:
        """A worker that can `release`, of this snapshot or whichever serves.

        Raises EngineUnavailableError when none gets free, or another snapshot serves by now: nothing was begun.
        """
        serving = self._serving
        if snapshot_id not in {None, serving.snapshot_id}:
            raise EngineUnavailableError("Another snapshot serves.")
        with serving.vault.checkout() as worker:
            yield worker

    def domain_size(self, axis: Axis) -> int:
        """The number of keys on a public axis."""
        with self._serving.public.checkout() as worker:
            return worker.domain_size(axis)

    def prepare(self, aggregation: Aggregation) -> None:
        """Run the aggregation on empty tables; raises IllegalPlanError where a release would fail."""
        with self._serving.public.checkout() as worker:
            worker.prepare(aggregation)

    def postprocess(self, sql: str, tables: Mapping[str, bytes], row_limit: int) -> bytes:
        """The rows of one SELECT over released (Arrow streams by name) and public tables; raises PostprocessError."""
        with self._serving.public.checkout() as worker:
            return worker.postprocess(sql, dict(tables), row_limit)

    def swap(self, snapshot: SnapshotFiles) -> None:
        """Serve another snapshot: new workers take over once all are ready; old ones finish what they do."""
        with self._swapping:
            before, self._serving = self._serving, self._open(snapshot)
            before.close()
            self._retired = [serving for serving in (*self._retired, before) if serving.in_use]

    def close(self) -> None:
        """End all workers, those under way when they are done: their last caller gets its answer."""
        with self._swapping:
            self._serving.close()
            for serving in (*self._retired, self._serving):
                serving.drain(self._settings.deadlines.release_seconds + _FAREWELL_SECONDS)
        self._spawner.shutdown()

    def _open(self, snapshot: SnapshotFiles) -> _Serving:
        settings = self._settings
        with ExitStack() as opened:
            vault = self._workers(snapshot, (snapshot.private_file, snapshot.vault_key), settings.vault_workers)
            opened.callback(vault.close)
            public = self._workers(snapshot, (None, None), settings.public_workers)
            opened.callback(public.close)
            for workers in (vault, public):
                workers.wait_ready(settings.deadlines.start_seconds)
            opened.pop_all()
        return _Serving(snapshot.id, vault, public)

    def _workers(self, snapshot: SnapshotFiles, private: tuple[Path, str] | tuple[None, None], count: int) -> Workers:
        settings = self._settings
        setup = Setup(
            public_file=snapshot.public_file.absolute(),
            private_file=None if private[0] is None else private[0].absolute(),
            vault_key=private[1],
            twin=snapshot.twin,
            threads=settings.threads,
            memory_bytes=settings.memory_bytes // 2,
            address_space_bytes=settings.memory_bytes + _CODE_BYTES,
            statement_seconds=settings.statement_seconds,
            simulation=snapshot.simulation,
        )

        def make() -> WorkerProcess:
            started = self._spawner.submit(WorkerProcess, setup, settings.deadlines, settings.cache_directory)
            return started.result()

        return Workers(make, count, settings.wait_seconds)


@dataclass(frozen=True, slots=True)
class _Serving:
    """The workers of one snapshot."""

    snapshot_id: str
    vault: Workers
    public: Workers

    @property
    def in_use(self) -> bool:
        return self.vault.in_use or self.public.in_use

    def close(self) -> None:
        self.vault.close()
        self.public.close()

    def drain(self, seconds: float) -> None:
        self.vault.drain(seconds)
        self.public.drain(seconds)
