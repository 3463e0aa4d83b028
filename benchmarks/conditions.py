"""When, where and with what it was measured, and how busy the machine was with other things."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from benchmarks.datasets import ROOT

_VERSIONS: Final = ("duckdb", "opendp", "numba", "numpy", "pyarrow")


def machine() -> str:
    """One sentence each: date, machine, versions and commit; the load average before the run."""
    versions = ", ".join(f"{name} {version(name)}" for name in _VERSIONS)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, {versions}, commit {_commit()}. Load average before the run "
        f"{os.getloadavg()[0]:.1f}."
    )


def _commit() -> str:
    """The commit that was measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"
