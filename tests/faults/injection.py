"""Faults in the system calls of a running child, by strace."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.budgets.ledger_samples import url_of
from tests.faults.steps import Child, child

MARK: Final = "told"  # a file that a child notes its results in
_PATIENCE_SECONDS: Final = 60.0

# Whatever changes a file, or makes a change durable. SQLite, its log, and the anchor use some of them.
CHANGING: Final = ("pwrite64", "write", "fsync", "fdatasync", "ftruncate", "unlink", "rename", "openat", "flock")


def files_of(directory: Path) -> list[Path]:
    """The files of a ledger in the directory: those that are there, and those that come and go."""
    database = [directory / f"ledger.sqlite{end}" for end in ("", "-wal", "-shm", "-journal")]
    return [*database, *(directory / f"anchor.json{end}" for end in ("", ".new", ".lock")), directory / MARK, directory]


@contextmanager
def traced(child: Child, directory: Path, log: Path, *options: str) -> Iterator[None]:
    """Attaches to the child, which still stands; its calls on the ledger's files alone are traced."""
    assert shutil.which("strace"), "these tests need strace: apt-get install strace"
    paths = [part for path in files_of(directory) for part in ("-P", str(path))]
    command = ["strace", "-f", "-q", "-o", str(log), *paths, *options, "-p", str(child.pid)]
    tracer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _await_tracer(child.pid, tracer)
        yield
    finally:
        if tracer.poll() is None and child.process.is_alive():
            tracer.send_signal(signal.SIGINT)  # lets the child go
        _, _ = tracer.communicate(timeout=_PATIENCE_SECONDS)


def _await_tracer(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while "TracerPid:\t0\n" in Path(f"/proc/{pid}/status").read_text():
        assert tracer.poll() is None, tracer.stderr and tracer.stderr.read()
        assert time.monotonic() < deadline, "strace did not attach"
        time.sleep(0.002)


def counted(log: Path, names: Sequence[str]) -> dict[str, int]:
    """How often each call was made."""
    text = log.read_text(errors="replace")
    return {name: len(re.findall(rf"^\d+ +{name}\(", text, re.MULTILINE)) for name in names}


def run(directory: Path, log: Path, *options: str) -> list[str]:
    """What a child told that made all steps, as far as it came."""
    with (
        child(url_of(directory), directory / "anchor.json") as started,
        traced(started, directory, log, *options),
    ):
        started.go()
        return started.results()
