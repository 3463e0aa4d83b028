"""The process that reads the tables: `python -m queries.worker DESCRIPTOR PARENT`, at the other end of a socket pair.

It has no ledger, no network and no secret but the vault's key, which comes through the socket. It answers one request
at a time. With the vault open it says "failed" and nothing else about what goes wrong, because the words could quote
a row.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import asdict

from queries import sandbox
from queries.worker_wire import Ping, Reply, Setup, Wire, WireError

_MOST_TEXT = 300


def main(descriptor: int, parent: int) -> None:
    """Serve the parent until it hangs up."""
    os.chdir("/")
    with socket.socket(fileno=descriptor) as channel:
        wire = Wire(channel)
        setup = wire.receive_request()
        if isinstance(setup, Setup):
            _serve(wire, setup, parent)


def _serve(wire: Wire, setup: Setup, parent: int) -> None:
    held = sandbox.enter(parent, setup.address_space_bytes)
    # Only now: these start threads, and a process with threads cannot change its namespaces.
    from queries.worker_roles import open_role  # noqa: PLC0415

    role = open_role(setup)
    sandbox.stop_writing()
    pong = Reply(done=True, body=json.dumps(asdict(held)).encode())
    wire.send_reply(pong)
    while (request := wire.receive_request()) is not None:
        try:
            reply = pong if isinstance(request, Ping) else Reply(done=True, body=role.answer(request))
        except Exception as error:  # noqa: BLE001  # the release path: what went wrong is not told
            reply = Reply(done=False, text=role.explain(request, error)[:_MOST_TEXT])
        wire.send_reply(reply)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except WireError:
        sys.exit(1)
