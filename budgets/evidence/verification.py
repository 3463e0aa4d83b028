"""The check of an export by somebody who has the file and a public key, and nothing else.

The entries go through `budgets.audit`, as those of a ledger do. What is added here: that no byte of the file is other
than as it was signed, and that receipts, answers and kept tree heads agree with the entries.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from budgets import audit
from budgets.errors import BudgetError
from budgets.evidence import export
from budgets.evidence.archive import Stored, content, read_archive
from budgets.evidence.chain import HEAD_TYPE
from budgets.evidence.claims import Claims
from budgets.evidence.errors import ArchiveError, ForgedError
from budgets.evidence.merkle import MerkleTree
from budgets.evidence.sealed import PublicKey, Sealed, unseal
from budgets.evidence.tables import TableShape, restore
from budgets.evidence.trust import Trust

PROBLEMS_SHOWN: Final = 100
_SMALL_FILES: Final = (export.MANIFEST, export.HEAD, export.KEYS)
_MOST_SMALL_BYTES: Final = 1 << 24


@dataclass(slots=True)
class Check:
    """One thing that was checked: how many, and what does not hold."""

    name: str
    checked: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found in an export. It is sound if no check has a problem; what could not be reached is one."""

    checks: tuple[Check, ...]
    head: dict[str, Any]
    balances: tuple[dict[str, Any], ...]

    @property
    def is_sound(self) -> bool:
        return not any(check.problems for check in self.checks)


def verify_export(path: Path, key: PublicKey, anchors: Path | None = None) -> Verification:
    """What holds of an export, given a public key that is trusted, and tree heads that were kept, one a line."""
    checks: list[Check] = []
    with path.open("rb") as file, tempfile.TemporaryDirectory(prefix="kvitto-verify-") as directory:
        database = Path(directory) / "ledger.sqlite"
        examined = _Examined(file, checks)
        try:
            examined.run(key, database, anchors)
        except BudgetError as error:
            checks[-1].problems.append(str(error))
        except (KeyError, TypeError, ValueError, sqlite3.Error) as error:
            checks[-1].problems.append(f"It cannot be understood ({type(error).__name__}).")
        balances = tuple(_balances(database)) if database.exists() else ()
    return Verification(tuple(checks), examined.head, balances)


class _Examined:
    """An open export, examined step by step: a step that raises is the last one."""

    def __init__(self, file: BinaryIO, checks: list[Check]) -> None:
        self._file = file
        self._checks = checks
        self._stored: dict[str, Stored] = {}
        self.head: dict[str, Any] = {}

    def run(self, key: PublicKey, database: Path, anchors: Path | None) -> None:
        check = self._check("the file, byte by byte")
        self._stored = {stored.name: stored for stored in read_archive(self._file)}
        check.checked = self._file.seek(0, 2)
        trust, manifest = self._manifest(key)
        self._files(manifest)
        self._load(manifest, database)
        with closing(sqlite3.connect(database)) as loaded:
            self._audit(database)
            tree = self._tree(loaded, trust)
            self._receipts(loaded, trust)
            if anchors is not None:
                self._anchors(anchors, tree, trust)

    def _check(self, name: str) -> Check:
        self._checks.append(Check(name))
        return self._checks[-1]

    def _manifest(self, key: PublicKey) -> tuple[Trust, dict[str, Any]]:
        check = self._check("signatures of the manifest and the keys")
        trust = Trust.of(self._line(export.KEYS), key)
        manifest = unseal(self._line(export.MANIFEST), "manifest", export.EXPORT_TYPE)
        trust.require_newest(manifest)
        check.checked = 1 + len(trust.records)
        return trust, manifest.content

    def _files(self, manifest: dict[str, Any]) -> None:
        check = self._check("SHA-256 of the files")
        listed = {file["name"]: (file["size"], file["sha256"]) for file in manifest["files"]}
        if sorted([*listed, export.MANIFEST]) != list(self._stored):
            check.problems.append("The files are not those of the manifest, in the order of their names.")
        for name, stored in self._stored.items():
            if name in listed:
                check.checked += 1
                if listed[name] != (stored.size, self._sha256(stored)):
                    check.problems.append(f"The file {name} is not the one that was signed.")
        if check.problems:
            raise ArchiveError("Nothing further was checked.")

    def _load(self, manifest: dict[str, Any], database: Path) -> None:
        check = self._check("rows of the tables")
        with closing(sqlite3.connect(database)) as loaded, loaded:
            for table in manifest["tables"]:
                shape = TableShape(table["name"], tuple(table["columns"]), tuple(table["order"]))
                count = restore(loaded, shape, self._lines(shape.file))
                check.checked += count
                if count != table["rows"]:
                    check.problems.append(f"The table {shape.name} has {count} rows in place of {table['rows']}.")

    def _audit(self, database: Path) -> None:
        check = self._check("entries: chain, rules, balances, stored answers and tables")
        report = audit.verify(database)
        check.checked = report.entries
        check.problems += report.problems

    def _tree(self, loaded: sqlite3.Connection, trust: Trust) -> MerkleTree:
        check = self._check("the tree head")
        tree, newest = MerkleTree(), "0" * 64
        for (newest,) in loaded.execute("SELECT hash FROM entries ORDER BY seq"):
            tree.append(bytes.fromhex(newest))
        head = unseal(self._line(export.HEAD), "head", HEAD_TYPE)
        trust.require(head, head.content["tree_size"])
        self.head, check.checked = head.content, 1
        if head.content["tree_size"] != tree.size or head.content["ledger_head"] != newest:
            check.problems.append("The tree head is of other entries.")
        check.problems += _contradictions(head, tree)
        return tree

    def _receipts(self, loaded: sqlite3.Connection, trust: Trust) -> None:
        check = self._check("receipts: signatures, and that they agree with the entries")
        claims = Claims(loaded, trust)
        for problem in claims.problems():
            if len(check.problems) < PROBLEMS_SHOWN:
                check.problems.append(problem)
        check.checked = claims.signed
        if claims.lines.hexdigest() != self._sha256(self._stored[export.RECEIPTS]):
            check.problems.append(f"{export.RECEIPTS} does not hold the receipts of the answers.")
        if claims.unsigned:
            self._check(
                "answers from before receipts were signed (bound by the entries alone)"
            ).checked = claims.unsigned

    def _anchors(self, anchors: Path, tree: MerkleTree, trust: Trust) -> None:
        check = self._check("tree heads that were kept")
        for number, line in enumerate(anchors.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            check.checked += 1
            try:
                head = unseal(line.strip(), "head", HEAD_TYPE)
                trust.require(head, head.content["tree_size"])
                check.problems += [f"Line {number}: {problem}" for problem in _contradictions(head, tree)]
            except (ForgedError, KeyError, TypeError) as error:
                check.problems.append(f"Line {number}: {error}")

    def _sha256(self, stored: Stored) -> str:
        digest = hashlib.sha256()
        for chunk in content(self._file, stored):
            digest.update(chunk)
        return digest.hexdigest()

    def _line(self, name: str) -> str:
        """The text of a file of one line."""
        stored = self._stored.get(name)
        if stored is None or stored.size > _MOST_SMALL_BYTES:
            raise ArchiveError(f"There is no fit file {name}.")
        text = b"".join(content(self._file, stored)).decode("utf-8", errors="replace")
        if not text.endswith("\n"):
            raise ArchiveError(f"The file {name} is not one line.")
        return text[:-1]

    def _lines(self, name: str) -> Iterator[str]:
        stored = self._stored.get(name)
        if stored is None:
            raise ArchiveError(f"There is no file {name}.")
        rest = b""
        for chunk in content(self._file, stored):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", errors="replace")
        if rest:
            raise ArchiveError(f"The last line of {name} has no end.")


def _contradictions(head: Sealed, tree: MerkleTree) -> list[str]:
    """What a tree head says that these entries do not hold."""
    size, root = head.content["tree_size"], head.content["root_hash"]
    if not isinstance(size, int) or not 0 <= size <= tree.size:
        return [f"A head of {size} entries was signed, and {tree.size} are here: an old copy, or a cut tail."]
    if tree.root(size).hex() != root:
        return [f"The head of {size} entries was signed over other entries: history was rewritten."]
    return []


def _balances(database: Path) -> Iterator[dict[str, Any]]:
    """The last posting of each account and meter."""
    with closing(sqlite3.connect(database)) as loaded:
        loaded.row_factory = sqlite3.Row
        try:
            rows = [dict(row) for row in loaded.execute("SELECT * FROM postings ORDER BY seq")]
        except sqlite3.Error:
            return
    latest: dict[str, dict[str, Any]] = {}
    for row in rows:
        latest[json.dumps([row.get("account_id"), row.get("meter")])] = row
    yield from (latest[name] for name in sorted(latest))
