"""The data that is measured on: made once, kept under var/bench, and made anew when the code that makes it changes.

Each dataset is a vault as the service serves it, and one plain DuckDB file with the same rows in the same order under
the same types: what an analyst without privacy would ask. `demo` is the demo as it stands, under a policy that leaves
bounds to be chosen at each release. `real` has the same rows under declared bounds, so that errors have a closed form.
"""

from __future__ import annotations

import hashlib
import shutil
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from queries.policy import Policy
from queries.sql_text import qualified, text_literal
from queries.vault import SecretKeys, Snapshot, attach_encrypted, current_snapshot, load_encryption, load_snapshot
from service.demo import DATASET, demo_policy, ensure_demo, write_demo_tables
from service.synth import write_synthetic

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = ROOT / "var" / "bench"
LINES: Final = {"10m": 10_000_000, "100m": 100_000_000}
SEED: Final = 1
LOADERS: Final = (
    "queries/vault*.py",
    "queries/source_files.py",
    "service/demo.py",
    "service/datasets/journey.yaml",
    "benchmarks/datasets.py",
    "benchmarks/declared_bounds.yaml",
)
_DECLARED_BOUNDS: Final = ROOT / "benchmarks" / "declared_bounds.yaml"
_BOUNDS_HEAD: Final = "\nbounds:\n"
_SYNTHESIS: Final = ("service/synth.py", "service/datasets/synthetic.yaml")

Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset ready to be measured: the data directory of a service, and the plain file."""

    size: str
    data_dir: Path
    snapshot: Snapshot
    plain_file: Path

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"


def prepare(size: str, progress: Progress) -> Prepared:
    """The dataset `demo`, `real`, `10m` or `100m`, made if it is not there as today's code would make it."""
    home = HOME / size
    print_ = fingerprint(files(LOADERS + (_SYNTHESIS if size in LINES else ())))
    mark = home / "made-by"
    if not mark.exists() or mark.read_text() != print_:
        shutil.rmtree(home, ignore_errors=True)
        _make(size, home, progress)
        mark.write_text(print_)
    snapshot = current_snapshot(home / "data" / "vault", "synthetic" if size in LINES else DATASET)
    assert snapshot is not None
    return Prepared(size, home / "data", snapshot, home / "plain.duckdb")


def with_declared_bounds(policy: str) -> str:
    """The demo's policy with the bounds of `declared_bounds.yaml` before its own; ValueError if it has none itself."""
    if policy.count(_BOUNDS_HEAD) != 1:
        raise ValueError("the policy has no section of bounds")
    entries = textwrap.indent(_DECLARED_BOUNDS.read_text(encoding="utf-8"), "  ")
    return policy.replace(_BOUNDS_HEAD, _BOUNDS_HEAD + entries)


def fingerprint(files: Iterable[Path]) -> str:
    """A digest of the files' names and contents."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def files(patterns: tuple[str, ...]) -> set[Path]:
    """The project's files of these patterns."""
    return {path for pattern in patterns for path in ROOT.glob(pattern)}


def _make(size: str, home: Path, progress: Progress) -> None:
    data_dir = home / "data"
    data_dir.mkdir(parents=True, mode=0o700)
    keys = SecretKeys.open(data_dir / "keys")
    vault_root = data_dir / "vault"
    if size == "demo":
        snapshot = ensure_demo(data_dir, vault_root, keys, progress)
    elif size == "real":
        (home / "source").mkdir(mode=0o700)
        sources = write_demo_tables(home / "source")
        policy = with_declared_bounds(demo_policy())
        snapshot = load_snapshot(vault_root, policy, sources, keys, origin="journey.yaml", progress=progress)
        shutil.rmtree(home / "source")
    else:
        written = write_synthetic(home / "source", LINES[size], None, SEED, progress)
        policy = (home / "source" / "policy.yaml").read_text(encoding="utf-8")
        sources = {name: str(path) for name, path in written.items()}
        snapshot = load_snapshot(vault_root, policy, sources, keys, origin="policy.yaml", progress=progress)
        shutil.rmtree(home / "source")
    write_plain(snapshot, keys, home / "plain.duckdb")


def write_plain(snapshot: Snapshot, keys: SecretKeys, target: Path) -> None:
    """All tables of the snapshot in one unencrypted file; the unit column is the vault's dense unit number."""
    policy: Policy = snapshot.policy
    with duckdb.connect(":memory:", config={"memory_limit": "4GB"}) as connection:
        connection.execute("SET enable_progress_bar = false")
        load_encryption(connection)
        attach_encrypted(
            connection,
            snapshot.private_file,
            "private",
            keys.snapshot_key(snapshot.dataset, snapshot.id),
            ", READ_ONLY",
        )
        connection.execute(f"ATTACH {text_literal(str(snapshot.public_file))} AS public (READ_ONLY)")
        connection.execute(f"ATTACH {text_literal(str(target))} AS plain")
        for name, table in policy.tables.items():
            source = qualified("private" if table.is_private else "public", "main", name)
            columns = f"* RENAME (_u AS {table.unit_column})" if table.is_private else "*"
            connection.execute(f"CREATE TABLE plain.{name} AS SELECT {columns} FROM {source}")
        connection.execute("CHECKPOINT plain")
