"""What a worker gives up before it reads anything: memory without end, dumps, new privileges, the network, its files.

Best effort where the system decides (a container may forbid new namespaces); `Sandbox` says what holds.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from dataclasses import dataclass

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The protections that hold in this process."""

    no_core_dump: bool
    not_dumpable: bool
    no_new_privileges: bool
    dies_with_parent: bool
    no_network: bool
    address_space_bytes: int


def enter(parent: int, address_space_bytes: int) -> Sandbox:
    """Give up what the worker does not need; ends the process if `parent` is gone already.

    Call it before any thread starts: a process with threads cannot leave its user namespace. That is also why the
    signal at the parent's death is asked for last: the kernel forgets it when credentials change.
    """
    os.umask(0o077)
    no_network = _leave_network()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    sandbox = Sandbox(
        no_core_dump=True,
        not_dumpable=_control(_PR_SET_DUMPABLE, 0),
        no_new_privileges=_control(_PR_SET_NO_NEW_PRIVS, 1),
        dies_with_parent=_control(_PR_SET_PDEATHSIG, signal.SIGKILL),
        no_network=no_network,
        address_space_bytes=address_space_bytes,
    )
    if os.getppid() != parent:
        os._exit(1)
    return sandbox


def stop_writing() -> None:
    """From here on no file can grow, whatever code is tricked into writing: pipes and sockets still work."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def _leave_network() -> bool:
    """Move to a network namespace without a way out: as root, or else in a user namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _control(option: int, value: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    return bool(libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) == 0)
