"""Simulations for callers of the service: rows made once a snapshot, workers opened when first needed, all bounded.

Private rows are never among what is opened here: a dataset's own rows are taken only if its policy declares them
public (`ground.py`), and all others are made up of the policy and of public tables.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Lock

from queries.planned import QueryPlan
from queries.vault import SecretKeys, Snapshot
from service.engines import DatasetEngine
from service.remembered import Remembered
from service.settings import Settings
from service.simulation.ground import Ground, kept_ground, opened, public_ground, synthetic_ground
from service.simulation.rehearsal import Effort, Rehearsed
from service.simulation.report import Accuracy
from service.simulation.shape import Shape, shape_of
from service.simulation.trial import Trial, accuracy, plans_of

_MOST_OPEN = 4
_REMEMBERED = 256
_DRAFT_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a caller asks for: a statement, prices, answers drawn at each, and what is exact enough."""

    statement: Rehearsed
    epsilons: tuple[Fraction, ...]
    draws: int
    relative_error: Fraction


@dataclass(frozen=True, slots=True)
class _Open:
    """The workers over what a snapshot is simulated on."""

    snapshot_id: str
    ground: Ground
    engine: DatasetEngine
    resources: ExitStack


class Simulations:
    """Accuracy reports over the datasets of one service; safe for threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._known = Remembered[tuple[object, ...], Accuracy](_REMEMBERED)

    def accuracy(self, snapshot: Snapshot, wanted: Wanted) -> Accuracy:
        """The report of a statement; equal questions have the same figures for a while.

        Raises what planning raises, SimulationError, LoadError and EngineUnavailableError.
        """
        here = self._opened(snapshot)
        effort = Effort(wanted.draws, self._settings.simulation_seconds)
        trial = Trial(wanted.epsilons, effort, wanted.relative_error)
        plans = plans_of(wanted.statement, here.ground, here.engine, trial)
        key = (snapshot.id, trial, *map(_identity, plans.values()))
        return self._known.get(key, lambda: accuracy(plans, here.ground, here.engine, trial))

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for each in self._open.values():
                each.resources.close()
            self._open.clear()

    def _opened(self, snapshot: Snapshot) -> _Open:
        """The workers for this snapshot, opened now if they are not yet; the last used datasets stay open."""
        with self._lock:
            known = self._open.pop(snapshot.dataset, None)
            if known is not None and known.snapshot_id != snapshot.id:
                known.resources.close()
                known = None
            found = known or self._started(snapshot)
            self._open[snapshot.dataset] = found
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)[1].resources.close()
            return found

    def _started(self, snapshot: Snapshot) -> _Open:
        ground, resources = self._ground(snapshot), ExitStack()
        settings = self._settings
        workers = opened(ground, settings, settings.simulation_seconds, settings.simulations_in_flight)
        return _Open(snapshot.id, ground, resources.enter_context(workers), resources)

    def _ground(self, snapshot: Snapshot) -> Ground:
        if snapshot.policy.public_rows is not None:
            return public_ground(snapshot, SecretKeys.open(self._settings.keys_dir))
        shape = shape_of(snapshot.policy, self._settings.simulation_rows)
        home = self._settings.data_dir.absolute() / "simulations" / snapshot.dataset
        directory = home / f"{snapshot.id}-{self._settings.simulation_rows}"
        if not directory.is_dir():
            _make(directory, snapshot, shape)
        for other in home.iterdir():
            if other != directory and _is_stale(other):
                shutil.rmtree(other, ignore_errors=True)
        return kept_ground(directory, snapshot.policy, shape)


def _is_stale(path: Path) -> bool:
    """Whether these are rows of another snapshot, or the leftovers of a process that was killed."""
    return not path.name.startswith(".") or time.time() - path.stat().st_mtime > _DRAFT_SECONDS


def _make(directory: Path, snapshot: Snapshot, shape: Shape) -> None:
    """Makes rows up under another name and gives them their own at the end: they are there whole, or not at all."""
    draft = directory.with_name(f".{directory.name}.{secrets.token_hex(4)}")
    draft.mkdir(parents=True, mode=0o700)
    text = (snapshot.directory / "policy.yaml").read_text(encoding="utf-8")
    try:
        synthetic_ground(draft, snapshot.policy, text, shape, snapshot)
        draft.rename(directory)
    except OSError:
        if not directory.is_dir():  # another process was faster
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _identity(plan: QueryPlan) -> tuple[object, ...]:
    """What decides the figures of a plan: the questions released with their prices, and what is made of them."""
    released = tuple((node.aggregation.digest, node.loss, node.table) for node in plan.nodes)
    return (plan.sql, plan.columns, released)
