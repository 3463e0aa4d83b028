"""ZIP archives of which every byte is determined by the files inside, so that no byte can be changed unseen.

Files are stored as they are, one after the other, with constant times and attributes, always with ZIP64 sizes, and
nothing before, between or behind. Any program that reads ZIP64 opens them (APPNOTE.TXT 6.3, sections 4.3.7 to 4.3.16).
The reader writes each header anew and compares: there is one way to write an archive, and it takes no other.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from budgets.evidence.errors import ArchiveError

CHUNK_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}")
_VERSION, _UTF8, _STORED, _FIRST_OF_1980 = 45, 0x0800, 0, 0x21
_IN_EXTRA: Final = 0xFFFFFFFF  # where a size of 64 bits stands in the extra field
_UNIX_0644: Final = 0o100644 << 16
_LOCAL: Final = struct.Struct("<IHHHHHIIIHH")


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of an archive: its bytes are `size` from `offset` on."""

    name: str
    size: int
    checksum: int
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """A file to be put into an archive; `chunks` gives its bytes."""

    name: str
    size: int
    checksum: int
    chunks: Callable[[], Iterator[bytes]]


def write_archive(parts: Sequence[Part]) -> Iterator[bytes]:
    """The bytes of the archive."""
    directory, offset = [], 0
    for part in parts:
        header = _local(part.name, part.size, part.checksum)
        yield header
        yield from part.chunks()
        directory.append(_central(part.name, part.size, part.checksum, offset))
        offset += len(header) + part.size
    yield b"".join(directory) + _end(len(directory), sum(map(len, directory)), offset)


def archive_size(parts: Sequence[Part]) -> int:
    """How many bytes `write_archive` gives."""
    headers = sum(len(_local(part.name, 0, 0)) + len(_central(part.name, 0, 0, 0)) + part.size for part in parts)
    return headers + len(_end(0, 0, 0))


def read_archive(file: BinaryIO) -> tuple[Stored, ...]:
    """The files of an archive. Raises ArchiveError at the first byte that is not as `write_archive` writes it."""
    found: list[Stored] = []
    starts, directory = [], []
    while (start := file.tell()) >= 0 and (header := file.read(_LOCAL.size))[:4] == b"PK\x03\x04":
        found.append(_read_one(file, start, header))
        starts.append(start)
    for stored, start in zip(found, starts, strict=True):
        directory.append(_central(stored.name, stored.size, stored.checksum, start))
    offset = found[-1].offset + found[-1].size if found else 0
    expected = b"".join(directory) + _end(len(directory), sum(map(len, directory)), offset)
    file.seek(offset)
    if file.read(len(expected) + 1) != expected:
        raise ArchiveError(f"The directory of the archive, from byte {offset:,} on, is not as it is written.")
    if len({stored.name for stored in found}) != len(found):
        raise ArchiveError("The archive holds two files of one name.")
    return tuple(found)


def content(file: BinaryIO, stored: Stored) -> Iterator[bytes]:
    """The bytes of one file."""
    file.seek(stored.offset)
    left = stored.size
    while left:
        chunk = file.read(min(left, CHUNK_BYTES))
        if not chunk:
            raise ArchiveError("The archive ends too early.")
        left -= len(chunk)
        yield chunk


def _read_one(file: BinaryIO, start: int, header: bytes) -> Stored:
    try:
        fields = _LOCAL.unpack(header)
        name = file.read(fields[9]).decode("ascii")
        size = struct.unpack("<HHQQ", file.read(20))[2]
    except (struct.error, UnicodeDecodeError) as error:
        raise ArchiveError(f"The header at byte {start:,} is not as it is written.") from error
    stored = Stored(name, size, fields[6], file.tell())
    if not _NAME.fullmatch(name):
        raise ArchiveError(f"The header at byte {start:,} is not as it is written.")
    checksum = 0
    for chunk in content(file, stored):
        checksum = zlib.crc32(chunk, checksum)
    after = file.tell()
    file.seek(start)
    if file.read(stored.offset - start) != _local(name, size, checksum):
        raise ArchiveError(f"The file {name} is not what its header, at byte {start:,}, says.")
    file.seek(after)
    return stored


def _local(name: str, size: int, checksum: int) -> bytes:
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    fixed = (0x04034B50, _VERSION, _UTF8, _STORED, 0, _FIRST_OF_1980, checksum, _IN_EXTRA, _IN_EXTRA)
    return _LOCAL.pack(*fixed, len(name), len(extra)) + name.encode("ascii") + extra


def _central(name: str, size: int, checksum: int, offset: int) -> bytes:
    extra = struct.pack("<HHQQQ", 1, 24, size, size, offset)
    fixed = (0x02014B50, 3 << 8 | _VERSION, _VERSION, _UTF8, _STORED, 0, _FIRST_OF_1980, checksum, _IN_EXTRA, _IN_EXTRA)
    rest = (len(name), len(extra), 0, 0, 0, _UNIX_0644, _IN_EXTRA)
    return struct.pack("<IHHHHHHIIIHHHHHII", *fixed, *rest) + name.encode("ascii") + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """The end record of 64 bits, where it is, and the end record of 32 bits, which points there."""
    end = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, _VERSION, _VERSION, 0, 0, count, count, size, offset)
    place = struct.pack("<IIQI", 0x07064B50, 0, offset + size, 1)
    return end + place + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, _IN_EXTRA, _IN_EXTRA, 0)
