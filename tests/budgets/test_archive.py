"""An archive has no byte without a meaning, and other programs read it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator

import pytest

from budgets.evidence.archive import Part, archive_size, content, read_archive, write_archive
from budgets.evidence.errors import ArchiveError

FILES = {"a.txt": b"hello", "empty": b"", "tables/b.jsonl": bytes(range(256)) * 3}


def part_of(name: str, data: bytes) -> Part:
    def chunks() -> Iterator[bytes]:
        yield data[:100]
        yield data[100:]

    return Part(name, len(data), zlib.crc32(data), chunks)


def archive_of(files: dict[str, bytes]) -> bytes:
    return b"".join(write_archive([part_of(name, data) for name, data in files.items()]))


def read(archive: bytes) -> dict[str, bytes]:
    file = io.BytesIO(archive)
    return {stored.name: b"".join(content(file, stored)) for stored in read_archive(file)}


@pytest.mark.parametrize("files", [FILES, {}, {"x": b""}])
def test_what_was_written_is_read(files: dict[str, bytes]) -> None:
    assert read(archive_of(files)) == files
    assert archive_size([part_of(name, data) for name, data in files.items()]) == len(archive_of(files))


def test_other_programs_read_it() -> None:
    with zipfile.ZipFile(io.BytesIO(archive_of(FILES))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


@pytest.mark.parametrize("flip", [1, 4, 128, 255])
def test_every_changed_byte_is_found(flip: int) -> None:
    archive = archive_of(FILES)
    for place in range(len(archive)):
        with pytest.raises(ArchiveError):
            read(bytes([*archive[:place], archive[place] ^ flip, *archive[place + 1 :]]))


def test_every_missing_or_added_byte_is_found() -> None:
    archive = archive_of(FILES)
    for place in range(len(archive)):
        with pytest.raises(ArchiveError):
            read(archive[:place] + archive[place + 1 :])
        with pytest.raises(ArchiveError):
            read(archive[:place])
    for more in (b"\x00" + archive, archive + b"\x00", archive + archive):
        with pytest.raises(ArchiveError):
            read(more)


def test_the_same_files_as_another_program_packs_them_are_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in FILES.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    with pytest.raises(ArchiveError):
        read(packed.getvalue())


def test_a_header_that_promises_more_than_there_is_is_refused_without_reading_it() -> None:
    (header,) = (archive_of({"x": b"abc"})[:51],)
    huge = header.replace((3).to_bytes(8, "little"), (1 << 60).to_bytes(8, "little"))
    with pytest.raises(ArchiveError):
        read(huge + b"abc")


@pytest.mark.parametrize("name", ["../up", "/absolute", "ä", "", "a" * 300, "-x"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises((ArchiveError, UnicodeEncodeError)):
        read(archive_of({name: b"x"}))


def test_two_files_of_one_name_are_refused() -> None:
    archive = b"".join(write_archive([part_of("x", b"1"), part_of("x", b"2")]))
    with pytest.raises(ArchiveError):
        read(archive)
