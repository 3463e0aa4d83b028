"""The server process: uvicorn with our limits, problems for requests that are not HTTP, and a quiet end on Ctrl-C."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.edge import SECURITY_HEADERS
from service.limits import HEADER_BYTES_MAX
from service.problems import MEDIA_TYPE, Problem
from service.settings import Settings

_STOP_SECONDS = 10


class _Protocol(H11Protocol):
    """Answers what is not HTTP, or has more header bytes than the parser takes, with a problem document."""

    def send_400_response(self, msg: str) -> None:
        """Send "bad-request" and close; `msg` is the server's own text."""
        body = Problem("bad-request", msg).body()
        headers = {
            **SECURITY_HEADERS,
            "Content-Type": MEDIA_TYPE,
            "Connection": "close",
            "Content-Length": str(len(body)),
        }
        head = [(name.encode(), value.encode()) for name, value in headers.items()]
        for event in (
            h11.Response(status_code=400, headers=head, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _Server(uvicorn.Server):
    """Tells its address once it listens."""

    def __init__(self, config: uvicorn.Config, started: Callable[[str], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell_started(_url(self))


def serve(app: FastAPI, settings: Settings, started: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish what is in flight and return; `started` gets the URL."""
    # uvicorn raises the signal again once it has stopped: by then it has been obeyed.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda *_: None)
    _Server(server_config(app, settings.host, settings.port), started).run()


def server_config(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How the app is served: no logs but ours, bounded headers, ten seconds to finish at the end."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=2 * HEADER_BYTES_MAX,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


def _url(server: uvicorn.Server) -> str:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    shown = "localhost" if host in {"0.0.0.0", "::", "127.0.0.1", "::1"} else host  # noqa: S104  # Shown, not bound.
    return f"http://{shown}:{port}"
