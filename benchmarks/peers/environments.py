"""The peers' own virtual environments, under var/bench/peers: made from pinned requirements, anew when these change."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.datasets import HOME, ROOT, Progress, fingerprint

PEERS_HOME: Final = HOME / "peers"


class NotInstalledError(Exception):
    """A peer could not be installed here; the text is what pip said last."""


def python_of(name: str, progress: Progress) -> Path:
    """The Python of a peer's environment; raises NotInstalledError."""
    requirements = ROOT / "benchmarks" / "peers" / f"{name}.txt"
    home = PEERS_HOME / name
    python, mark = home / ".venv" / "bin" / "python", home / "made-by"
    made_by = fingerprint([requirements])
    if not mark.exists() or mark.read_text() != made_by:
        progress(f"installing {name}", 0.0)
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _run([sys.executable, "-m", "venv", str(home / ".venv")])
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        _run([*pip, "--require-hashes", "--no-deps", "--requirement", str(requirements)])
        mark.write_text(made_by)
    return python


def _run(command: list[str]) -> None:
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        said = [line for line in found.stderr.splitlines() if line.strip()] or ["pip said nothing"]
        raise NotInstalledError(said[-1][:300])
