"""Grounds to simulate on: the retailer's own forty households, declared public, and rows made up for its policy."""

from __future__ import annotations

from pathlib import Path

from queries.policy import load_policy
from queries.vault import SecretKeys, Snapshot, load_snapshot
from service.settings import Settings
from service.simulation.ground import Ground, public_ground, synthetic_ground
from service.simulation.shape import shape_of
from tests.queries.retailer import POLICY_TEXT, Retailer
from tests.queries.worker_world import CACHE

DECLARED = f"{POLICY_TEXT}public_rows: {{source: rows that a test made up for everybody}}\n"


def settings_in(directory: Path, **given: object) -> Settings:
    """Settings with a data directory of its own, whose compiled code is that of all tests."""
    directory.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(exist_ok=True)
    (directory / "cache").symlink_to(CACHE)
    return Settings.model_validate({"data_dir": directory, "response_grid_ms": 0, "worker_memory_mb": 1_024, **given})


def load(settings: Settings, directory: Path, text: str = DECLARED) -> Snapshot:
    """The retailer's rows as the current snapshot of the settings' vault."""
    directory.mkdir(parents=True, exist_ok=True)
    retailer = Retailer(directory)
    retailer.close()
    sources = {table: str(path) for table, path in retailer.paths.items()}
    return load_snapshot(settings.vault_root, text, sources, SecretKeys.open(settings.keys_dir))


def real(settings: Settings, directory: Path) -> Ground:
    """The retailer's own rows."""
    return public_ground(load(settings, directory), SecretKeys.open(settings.keys_dir))


def made_up(directory: Path, rows: int = 20_000) -> Ground:
    """Rows made up for the retailer."""
    policy = load_policy(POLICY_TEXT)
    return synthetic_ground(directory, policy, POLICY_TEXT, shape_of(policy, rows, rows_per_unit=100))
