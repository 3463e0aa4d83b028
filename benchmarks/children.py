"""A contestant as the benchmark sees it: a child that answers one JSON line with another, and its memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.datasets import ROOT

_MIB_KIB = 1024


class Child:
    """A process running `python -m MODULE ARGUMENTS`, ended at the end of the `with` block."""

    def __init__(self, module: str, arguments: Sequence[str], python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """The reply to one request; raises RuntimeError if the child ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a contestant ended with exit code {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def peaks_mib(self) -> list[float]:
        """The peak memory of the process and of each of its living children, the process first."""
        found = [self._process.pid, *children_of(self._process.pid)]
        return [peak_mib(Path(f"/proc/{pid}/status").read_text(encoding="ascii")) for pid in found]

    def cpu_seconds(self) -> list[float]:
        """The processor time so far of the process and of each of its living children, the process first."""
        return cpu_seconds_of([self._process.pid, *children_of(self._process.pid)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        with self._process:  # closes what is left of the pipes
            pass


def peak_mib(status: str) -> float:
    """The peak resident memory in the text of a /proc/<pid>/status file, in MiB."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, flags=re.MULTILINE)
    return int(found[1]) / _MIB_KIB if found else 0.0


def cpu_seconds_of(pids: Sequence[int]) -> list[float]:
    """The processor time so far of each process."""
    return [cpu_seconds(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")) for pid in pids]


def cpu_seconds(stat: str) -> float:
    """The processor time in user and kernel mode in the text of a /proc/<pid>/stat file."""
    ticks = stat.rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def children_of(pid: int) -> list[int]:
    """The living children of a process, whichever of its threads made them."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return sorted({int(child) for task in tasks for child in task.read_text(encoding="ascii").split()})
