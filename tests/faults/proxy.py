"""A way to a PostgreSQL server that breaks off at a COMMIT: before the server has it, or before its answer arrives."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MODES: Final = ("before the commit", "before its answer")
_COMMIT: Final = b"COMMIT\0"  # not that of READ COMMITTED
_SOCKET: Final = ".s.PGSQL.5432"


class Proxy:
    """Hands everything on, until it is told to break off at the next COMMIT; once."""

    def __init__(self, directory: Path, server: Path) -> None:
        self.directory = directory
        self.breaks_off: str | None = None
        self._server = server
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(directory / _SOCKET))
        self._listening.listen()

    def serve(self) -> None:
        """Accepts connections until it is closed."""
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._hand_on, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _hand_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as either:
            server.connect(str(self._server / _SOCKET))
            either.register(client, selectors.EVENT_READ, server)
            either.register(server, selectors.EVENT_READ, client)
            while True:
                for ready, _ in either.select():
                    if not self._pass(ready.fileobj, ready.data, client):  # type: ignore[arg-type]
                        return

    def _pass(self, source: socket.socket, target: socket.socket, client: socket.socket) -> bool:
        """Hands on what came; False if the connection is over."""
        content = source.recv(1 << 16)
        if not content:
            return False
        mode = self.breaks_off
        if mode is None or source is not client or _COMMIT not in content:
            target.sendall(content)
            return True
        self.breaks_off = None
        if mode == "before its answer":
            target.sendall(content)
            target.recv(1 << 16)  # the server has committed
        return False


@contextmanager
def proxy(directory: Path, server: Path) -> Iterator[Proxy]:
    """A proxy in the directory to the server in another."""
    made = Proxy(directory, server)
    thread = threading.Thread(target=made.serve)
    thread.start()
    try:
        yield made
    finally:
        made.close()
        thread.join(60)
