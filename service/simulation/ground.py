"""What a simulation runs on: a dataset's own rows where its policy declares them public, else rows that are made up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from queries.errors import LoadError
from queries.policy import Policy
from queries.twin import twin_statements
from queries.vault import SecretKeys, Snapshot, current_snapshot, load_snapshot, private_key
from queries.worker_pool import SnapshotFiles, WorkerPool
from service.engines import DatasetEngine, worker_settings
from service.settings import Settings
from service.simulation.errors import SimulationError
from service.simulation.rows import last_day, write_rows
from service.simulation.shape import Shape

Kind = Literal["public", "synthetic"]


@dataclass(frozen=True, slots=True)
class Ground:
    """The files that a simulation opens, and what they are in words."""

    kind: Kind
    policy: Policy
    files: SnapshotFiles
    description: str
    units: int | None  # None of real rows: how many there are is not counted


def public_ground(snapshot: Snapshot, keys: SecretKeys) -> Ground:
    """The snapshot's own rows; raises SimulationError unless its policy declares that they are public."""
    declared = snapshot.policy.public_rows
    if declared is None:
        raise SimulationError(
            "The rows of this dataset are private: simulations run on synthetic ones. "
            "Only a policy with `public_rows`, loaded with the data, says otherwise."
        )
    described = f"the dataset's own rows, which its policy declares public: {declared.source}"
    return Ground("public", snapshot.policy, _files(snapshot, keys), described, None)


def synthetic_ground(  # what to make, of what, and where
    directory: Path,
    policy: Policy,
    policy_text: str,
    shape: Shape,
    known: Snapshot | None = None,
    tell: Callable[[str, float], None] | None = None,
) -> Ground:
    """Rows made up for the policy and loaded as any others, in a vault of their own in `directory`.

    Public tables are those of the snapshot `known`, where it declares the same. Raises LoadError.
    """
    sources = write_rows(directory / "rows", policy, shape, known)
    keys = SecretKeys.open(directory / "keys")  # as the loader wants them: there is nothing to hide
    load_snapshot(directory / "vault", policy_text, sources, keys, as_of=last_day(policy), progress=tell)
    shutil.rmtree(directory / "rows")
    return kept_ground(directory, policy, shape)


def kept_ground(directory: Path, policy: Policy, shape: Shape) -> Ground:
    """The ground that `synthetic_ground` made in this directory; raises LoadError."""
    snapshot = current_snapshot(directory / "vault", policy.dataset)
    if snapshot is None:
        raise LoadError("the rows made up for simulations are damaged: delete the folder `simulations`")
    files = _files(snapshot, SecretKeys.open(directory / "keys"))
    return Ground("synthetic", policy, files, _described(policy, shape), shape.units)


@contextmanager
def opened(ground: Ground, settings: Settings, release_seconds: float, workers: int = 1) -> Iterator[DatasetEngine]:
    """Workers over the ground: some with its rows, one with its public tables, limited as all workers are."""
    pool = WorkerPool(ground.files, worker_settings(settings, workers, release_seconds))
    try:
        yield DatasetEngine(pool)
    finally:
        pool.close()


def _files(snapshot: Snapshot, keys: SecretKeys) -> SnapshotFiles:
    return SnapshotFiles(
        snapshot.id,
        snapshot.private_file,
        snapshot.public_file,
        twin_statements(snapshot.policy),
        private_key(snapshot, keys),
        simulation=True,
    )


def _described(policy: Policy, shape: Shape) -> str:
    name = policy.unit.name
    return (
        f"synthetic rows, made from the policy alone: {shape.units:,} units ({name}) with {shape.mean_rows:,.0f} rows "
        f"each on average (log-normal); the policy allows for {policy.max_units:,} units. The more units there are, "
        "the smaller are the relative errors of sums and counts"
    )
