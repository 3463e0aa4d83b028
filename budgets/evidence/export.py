"""The export: everything that a stranger needs to check a ledger, in one file of which no byte can change unseen.

It holds what the ledger holds, so answers (noised), receipts and who asked what; no private row, no exact figure, no
API key and no secret. Idempotency keys are in it as digests only.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from budgets.evidence.archive import CHUNK_BYTES, Part, archive_size, write_archive
from budgets.evidence.chain import Readable, links, sealed_head
from budgets.evidence.errors import ForgedError
from budgets.evidence.merkle import MerkleTree
from budgets.evidence.receipts import receipt_of
from budgets.evidence.sealed import seal
from budgets.evidence.signing import KeyRing
from budgets.evidence.tables import lines_of, shapes
from budgets.ledger import GENESIS_HASH, Head, canonical_json
from budgets.tables import OUTCOMES

EXPORT_TYPE: Final = "kvitto-export-1"
MANIFEST, HEAD, KEYS, RECEIPTS, README = "manifest.json", "head.json", "keys.json", "receipts.jsonl", "README.txt"
_README_TEXT: Final = (Path(__file__).parent / "export_readme.txt").read_text(encoding="ascii")
_ANSWERS: Final = sa.select(OUTCOMES.c.body).order_by(OUTCOMES.c.query_id)


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the export, written to the disk already."""

    name: str
    path: Path
    size: int
    checksum: int
    sha256: str

    @property
    def part(self) -> Part:
        return Part(self.name, self.size, self.checksum, self._chunks)

    def _chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is ready to be read, once; its parts lie in a directory of their own until it is closed."""

    size: int
    _files: tuple[_File, ...]
    _directory: tempfile.TemporaryDirectory[str]

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file; the parts are gone afterwards."""
        try:
            yield from write_archive([file.part for file in self._files])
        finally:
            self.close()

    def close(self) -> None:
        self._directory.cleanup()


def export(ledger: Readable, keys: KeyRing) -> Export:
    """The export of one consistent view of the ledger, which goes on working meanwhile."""
    with ExitStack() as undo:
        directory = tempfile.TemporaryDirectory(prefix="kvitto-export-")
        undo.callback(directory.cleanup)
        desk = _Desk(Path(directory.name))
        with ledger.reading() as connection:
            tables = _put_tables(desk, connection)
            desk.put(RECEIPTS, _receipts(connection))
            tree, newest = _tree(connection)
        desk.put(HEAD, [sealed_head(tree, newest, keys)])
        desk.put(README, [_README_TEXT.rstrip("\n")])
        # The keys are listed after the head was signed, so that its key is among them.
        desk.put(KEYS, [canonical_json([record.document for record in keys.records()])])
        desk.put(MANIFEST, [seal("manifest", _manifest(tables, desk.sorted()), keys)])
        undo.pop_all()
    return Export(archive_size([file.part for file in desk.sorted()]), desk.sorted(), directory)


def _manifest(tables: list[dict[str, object]], files: tuple[_File, ...]) -> dict[str, object]:
    return {
        "type": EXPORT_TYPE,
        "made_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "software": {"kvitto": version("kvitto")},
        "tables": tables,
        "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in files],
    }


class _Desk:
    """The directory in which the files of an export are written."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: list[_File] = []

    def put(self, name: str, lines: Iterable[str]) -> int:
        """Writes a file of lines and returns their number."""
        path = self._directory / str(len(self._files))
        sha256, checksum, size, count = hashlib.sha256(), 0, 0, 0
        with path.open("wb") as file:
            for line in lines:
                content = f"{line}\n".encode()
                file.write(content)
                sha256.update(content)
                checksum, size, count = zlib.crc32(content, checksum), size + len(content), count + 1
        self._files.append(_File(name, path, size, checksum, sha256.hexdigest()))
        return count

    def sorted(self) -> tuple[_File, ...]:
        return tuple(sorted(self._files, key=lambda file: file.name))


def _put_tables(desk: _Desk, connection: Connection) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for shape in shapes(connection):
        rows = desk.put(shape.file, lines_of(connection, shape))
        found.append({"name": shape.name, "columns": shape.columns, "order": shape.order, "rows": rows})
    return found


def _receipts(connection: Connection) -> Iterator[str]:
    for (body,) in connection.execute(_ANSWERS, execution_options={"yield_per": 100}):
        with suppress(ForgedError):  # whoever verifies the export finds it among the answers
            found = receipt_of(bytes(body))
            if found is not None:
                yield found.sealed


def _tree(connection: Connection) -> tuple[MerkleTree, Head]:
    tree, newest = MerkleTree(), Head(0, GENESIS_HASH)
    for seq, _, own in links(connection, 0):
        tree.append(bytes.fromhex(own))
        newest = Head(seq, own)
    return tree, newest
