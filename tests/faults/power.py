"""What a power cut leaves: files rebuilt from a log of system calls, without what no sync had made durable.

A write that was not synced may be lost, wholly or in part, and one file's may be lost while another's is kept. Two
disks are played: one that loses all that was not synced, and one that keeps a random half of the blocks of it. A file
that was made, renamed or removed is so after a power cut only if its directory was synced since.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.faults.injection import MARK

# Every call that changes content, a name or what is durable; reads are left out.
TRACED: Final = "openat,pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename,close"
BLOCK_BYTES: Final = 512

_CALL: Final = re.compile(r"^(\d+) +(?:(\w+)\((.*)\) += (-?\d+|\?)|<\.\.\. .*)")
_STRING: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


@dataclass
class _File:
    """What programs see of a file, what is surely on disk, and the writes that are not yet."""

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # a None truncates

    def write(self, at: int, content: bytes) -> None:
        _put(self.seen, at, content)
        self.pending.append((at, content))

    def truncate(self, size: int) -> None:
        _cut(self.seen, size)
        self.pending.append((size, None))

    def sync(self) -> None:
        self.durable = bytearray(self.seen)
        self.pending.clear()

    def after_cut(self, chance: random.Random | None) -> bytes:
        """The content after a power cut; with `chance` some blocks that were not synced are there."""
        content = bytearray(self.durable)
        for at, written in self.pending if chance is not None else ():
            if written is None:
                if chance is not None and chance.random() < 0.5:
                    _cut(content, at)
                continue
            for start in range(0, len(written), BLOCK_BYTES):
                if chance is not None and chance.random() < 0.5:
                    _put(content, at + start, written[start : start + BLOCK_BYTES])
        return bytes(content)


@dataclass
class Disk:
    """A directory on a disk that a log of system calls is played to."""

    directory: Path
    names: dict[str, _File] = field(default_factory=dict)
    durable_names: dict[str, _File] = field(default_factory=dict)
    opened: dict[int, tuple[str, _File | None]] = field(default_factory=dict)
    ends: dict[int, int] = field(default_factory=dict)  # where `write` goes on
    told: list[str] = field(default_factory=list)  # the results that were seen so far

    @classmethod
    def of(cls, directory: Path) -> Disk:
        """The directory as it is, all durable."""
        disk = cls(directory)
        for path in directory.iterdir():
            content = path.read_bytes()
            disk.names[path.name] = _File(bytearray(content), bytearray(content))
        disk.durable_names = dict(disk.names)
        return disk

    def play(self, call: str, arguments: str, result: int) -> None:
        """Does what a system call did that returned `result`."""
        if result < 0:
            return
        first = arguments.split(",", 1)[0]
        if call == "openat":
            self._open(arguments, result)
        elif call in ("unlink", "rename"):
            self._rename(*(Path(text).name for text in _strings(arguments)))
        elif int(first) in self.opened:
            self._change(call, int(first), arguments, result)

    def _open(self, arguments: str, descriptor: int) -> None:
        path = Path(_strings(arguments)[0])
        if path == self.directory:
            self.opened[descriptor] = ("", None)
            return
        file = self.names.get(path.name)
        if file is None:
            file = self.names[path.name] = _File()
        if "O_TRUNC" in arguments and file.seen:
            file.truncate(0)
        self.opened[descriptor], self.ends[descriptor] = (path.name, file), 0

    def _rename(self, old: str, new: str = "") -> None:
        file = self.names.pop(old, None)
        if new and file is not None:
            self.names[new] = file

    def _change(self, call: str, descriptor: int, arguments: str, result: int) -> None:
        name, file = self.opened[descriptor]
        if call == "close":
            del self.opened[descriptor]
        elif file is None:
            if call in ("fsync", "fdatasync"):
                self.durable_names = dict(self.names)
        elif call in ("fsync", "fdatasync"):
            file.sync()
        elif call == "ftruncate":
            file.truncate(int(arguments.rsplit(",", 1)[1]))
        elif call == "pwrite64":
            file.write(int(arguments.rsplit(",", 1)[1]), _content(arguments)[:result])
        elif call == "write" and name == MARK:
            self.told.append(_content(arguments).decode())
        elif call == "write":
            file.write(self.ends[descriptor], _content(arguments)[:result])
            self.ends[descriptor] += result

    def rebuild(self, directory: Path, chance: random.Random | None) -> None:
        """Writes what a power cut now would leave."""
        directory.mkdir()
        for name, file in self.durable_names.items():
            if not name.endswith("-shm"):  # an index in memory, which nobody trusts after a start
                (directory / name).write_bytes(file.after_cut(chance))


def calls_of(log: Path) -> Iterator[tuple[str, str, int]]:
    """The calls of a log that strace wrote with `-xx` and unlimited strings, in the order in which they ended."""
    for line in log.read_text().splitlines():
        found = _CALL.match(line)
        if found is not None and found[2] and found[4] != "?":
            yield found[2], found[3], int(found[4])
        assert "unfinished" not in line, "one thread at a time is traced"


def _strings(arguments: str) -> list[str]:
    return [bytes.fromhex(text.replace("\\x", "")).decode() for text, _ in _STRING.findall(arguments)]


def _content(arguments: str) -> bytes:
    found = _STRING.search(arguments)
    assert found is not None
    assert not found[2], "the log has a shortened string"
    return bytes.fromhex(found[1].replace("\\x", ""))


def _put(target: bytearray, at: int, content: bytes) -> None:
    if len(target) < at:
        target.extend(bytes(at - len(target)))
    target[at : at + len(content)] = content


def _cut(target: bytearray, size: int) -> None:
    if len(target) < size:
        target.extend(bytes(size - len(target)))
    del target[size:]
