"""A service of the tour's own: `kvitto serve --demo` on a free port, with a data directory that goes away with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from service.tour.errors import TourError, require

_START_SECONDS: Final = 300.0
_STOP_SECONDS: Final = 20.0
_KVITTO: Final = (sys.executable, "-c", "from service.cli import app; app()")
_ADDRESS: Final = re.compile(r"Kvitto serves on (http://\S+)")


@dataclass(frozen=True, slots=True)
class Instance:
    """A running service: its process, its files, its address, and the demo's keys by owner."""

    process: subprocess.Popen[bytes]
    directory: Path
    url: str
    keys: dict[str, str]

    def stop(self) -> None:
        """End it as Ctrl-C would; raises TourError if it does not end cleanly."""
        _interrupt(self.process)
        require(self.process.returncode == 0, f"The service ended with exit code {self.process.returncode}.")

    def verified_ledger(self) -> str:
        """What `kvitto audit verify` says to the ledger that is left; raises TourError if it does not hold."""
        command = [*_KVITTO, "audit", "verify"]
        done = subprocess.run(command, env=_environment(self.directory), capture_output=True, text=True, check=False)  # noqa: S603  # Our own program.
        require(done.returncode == 0, f"The ledger does not hold: {done.stderr}")
        return f"[bold]$ kvitto audit verify[/bold]\n{done.stdout.strip()}"


@contextmanager
def temporary_instance(console: Console) -> Iterator[Instance]:
    """A fresh instance with the demo dataset; stopped and removed at the end, however that comes."""
    with tempfile.TemporaryDirectory(prefix="kvitto-tour-") as name:
        directory = Path(name)
        with (directory / "output.txt").open("wb") as output:
            process = subprocess.Popen(  # noqa: S603  # Our own program.
                [*_KVITTO, "serve", "--demo"],
                env=_environment(directory),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            with console.status("Loading 1.5 million receipt lines into an encrypted vault …"):
                url = _address(process, directory / "output.txt")
            keys = json.loads((directory / "demo-keys.json").read_text(encoding="utf-8"))
            yield Instance(process, directory, url, keys)
        finally:
            _interrupt(process)


def _environment(directory: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("KVITTO_")}
    return own | {"KVITTO_DATA_DIR": str(directory), "KVITTO_PORT": "0", "KVITTO_LOG_LEVEL": "error"}


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    """Where it listens, once it does; raises TourError if it ends or takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        text = output.read_text(encoding="utf-8", errors="replace")
        if (found := _ADDRESS.search(text)) is not None:
            return found[1]
        if process.poll() is not None:
            raise TourError(f"The service did not start: {text[-2_000:]}")
        time.sleep(0.1)
    raise TourError(f"The service did not start within {_START_SECONDS:.0f} seconds.")


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
