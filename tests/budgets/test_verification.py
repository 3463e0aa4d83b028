"""Who has an export and the public key finds every change of it, and everything in it that does not agree."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgets.evidence.archive import Part, content, read_archive, write_archive
from budgets.evidence.chain import HEAD_TYPE, Chain, sealed_head
from budgets.evidence.export import EXPORT_TYPE, MANIFEST
from budgets.evidence.sealed import PublicKey, seal, unseal
from budgets.evidence.signing import KeyRing
from budgets.evidence.tables import TableShape, lines_of
from budgets.evidence.verification import Verification, verify_export
from budgets.ledger import sha256_hex
from tests.budgets.evidence_samples import Recorded, written
from tests.budgets.ledger_samples import open_accounts


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    found = written(tmp_path_factory.mktemp("recorded"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def file(recorded: Recorded) -> Path:
    return recorded.export(recorded.directory / "export.zip")


def problems(found: Verification) -> str:
    return "\n".join(f"{check.name}: {problem}" for check in found.checks for problem in check.problems)


def files_of(export: Path) -> dict[str, bytes]:
    with export.open("rb") as archive:
        return {stored.name: b"".join(content(archive, stored)) for stored in read_archive(archive)}


def pack(files: dict[str, bytes], path: Path) -> Path:
    """An archive of these files, as an export is written."""

    def part(name: str, data: bytes) -> Part:
        return Part(name, len(data), zlib.crc32(data), lambda: iter([data]))

    path.write_bytes(b"".join(write_archive([part(name, data) for name, data in sorted(files.items())])))
    return path


def signed_again(files: dict[str, bytes], keys: KeyRing) -> dict[str, bytes]:
    """The files with a manifest that lists them as they are now."""
    manifest = unseal(files[MANIFEST].decode().strip(), "manifest", EXPORT_TYPE).content
    listed = [
        {"name": name, "size": len(data), "sha256": sha256_hex(data)}
        for name, data in files.items()
        if name != MANIFEST
    ]
    rows = [{**table, "rows": files[f"tables/{table['name']}.jsonl"].count(b"\n")} for table in manifest["tables"]]
    text = seal("manifest", {**manifest, "files": listed, "tables": rows}, keys)
    return {**files, MANIFEST: f"{text}\n".encode()}


def test_a_sound_export_is_verified_with_nothing_but_the_public_key(
    recorded: Recorded, file: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "elsewhere" / "export.zip"
    alone.parent.mkdir()
    shutil.copy(file, alone)
    found = verify_export(alone, PublicKey.parse(recorded.keys.public.pem))
    assert problems(found) == ""
    assert found.is_sound
    assert found.head["tree_size"] == recorded.ledger.head().seq
    assert {check.name.split(":")[0]: check.checked for check in found.checks}["receipts"] == 3
    assert list(alone.parent.iterdir()) == [alone]


def test_every_balance_is_told(recorded: Recorded, file: Path) -> None:
    found = verify_export(file, recorded.keys.public)
    shown = {balance["account_id"]: balance for balance in found.balances}
    for balance in recorded.ledger.accounts():
        row = shown[balance.account.id]
        assert (row["cap_rho_nano"], row["spent_rho_nano"], row["reserved_rho_nano"], row["spent_delta_atto"]) == (
            balance.cap.rho_nano,
            balance.spent.rho_nano,
            balance.reserved.rho_nano,
            balance.spent.delta_atto,
        )


def test_any_single_changed_byte_is_found(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    """Every byte of headers, and of the first and last 200 of each file; every ninth of the rest."""
    export, changed = file.read_bytes(), tmp_path / "changed.zip"
    with file.open("rb") as archive:
        inner = [range(each.offset + 200, each.offset + each.size - 200) for each in read_archive(archive)]
    left_out = {place for stretch in inner for place in stretch if place % 9}
    changed.write_bytes(export)
    with changed.open("r+b", buffering=0) as written:
        for place in sorted(set(range(len(export))) - left_out):
            for byte in (export[place] ^ (1 << place % 8), export[place]):
                written.seek(place)
                written.write(bytes([byte]))
                if byte != export[place]:
                    assert not verify_export(changed, recorded.keys.public).is_sound, place
    assert verify_export(changed, recorded.keys.public).is_sound


def test_a_changed_byte_of_any_file_is_found_also_under_a_right_checksum(
    recorded: Recorded, file: Path, tmp_path: Path
) -> None:
    files = files_of(file)
    for name, data in files.items():
        for place in range(0, len(data), max(1, len(data) // 20)):
            other = bytes([*data[:place], data[place] ^ 1, *data[place + 1 :]])
            packed = pack({**files, name: other}, tmp_path / "changed.zip")
            assert not verify_export(packed, recorded.keys.public).is_sound, (name, place)


@pytest.mark.parametrize("name", ["receipts.jsonl", "tables/releases.jsonl", "README.txt", "keys.json", "head.json"])
def test_a_missing_or_added_file_is_found(recorded: Recorded, file: Path, tmp_path: Path, name: str) -> None:
    files = files_of(file)
    del files[name]
    assert not verify_export(pack(files, tmp_path / "less.zip"), recorded.keys.public).is_sound
    more = {**files_of(file), f"{name}.more": b"x\n"}
    assert not verify_export(pack(more, tmp_path / "more.zip"), recorded.keys.public).is_sound


def test_an_export_that_another_key_signed_is_refused(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    thief = KeyRing(tmp_path / "thief")
    packed = pack(signed_again(files_of(file), thief), tmp_path / "forged.zip")
    assert "signature" in problems(verify_export(packed, recorded.keys.public))
    assert "not signed with the public key that was given" in problems(verify_export(file, thief.public))


def test_what_is_no_export_is_said_to_be_none(recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"something else")
    assert not verify_export(tmp_path / "x", recorded.keys.public).is_sound
    pack({}, tmp_path / "empty.zip")
    assert "no fit file" in problems(verify_export(tmp_path / "empty.zip", recorded.keys.public))


def edited(
    files: dict[str, bytes], table: str, change: Callable[[dict[str, Any]], None], number: int
) -> dict[str, bytes]:
    name = f"tables/{table}.jsonl"
    rows = [json.loads(line) for line in files[name].splitlines()]
    change(rows[number])
    lines = [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in rows]
    return {**files, name: "".join(f"{line}\n" for line in lines).encode()}


@pytest.mark.parametrize(
    ("table", "values", "number", "words"),
    [
        ("entries", {"actor": "eve"}, 3, "does not have the hash that it states"),
        ("entries", {"hash": "0" * 64}, -1, "tree head is of other entries"),
        ("postings", {"spent_rho_nano": 0}, -1, "postings other than it states"),
        ("requests", {"rho_nano": 1}, 0, "Table requests"),
        ("releases", {"table": {"base64": "eA=="}}, 0, "The table of the release"),
        ("outcomes", {"body": {"base64": "e30="}}, 0, "Table outcomes"),
    ],
)
def test_a_service_that_signs_what_does_not_hold_is_found_out(
    recorded: Recorded, file: Path, tmp_path: Path, table: str, values: dict[str, Any], number: int, words: str
) -> None:
    files = edited(files_of(file), table, lambda row: row.update(values), number)
    packed = pack(signed_again(files, recorded.keys), tmp_path / "lie.zip")
    assert words in problems(verify_export(packed, recorded.keys.public))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"charged": {"rho": "0.000000299", "delta": "0.000000000000000007"}}, "Its rho is not what was charged"),
        ({"charged": {"rho": "0.0000003", "delta": "0"}}, "Its delta is not what was charged"),
        ({"charges": {"lifetime": {"rho": "0.0000003", "delta": "0"}}}, "Its charges are not those of the entry"),
        ({"charges": {"static": {"rho": "0.0000003", "delta": "0"}}}, "Its charges are not those of the entry"),
        ({"snapshot": "20260101T000000Z-0001"}, "Its snapshot is not that of the entry"),
        ({"sql": "SELECT 1"}, "Its sql is not that of the entry"),
        ({"dataset": "other"}, "Its dataset is not that of the entry"),
        ({"account": "shop"}, "Its account is not that of the entry"),
        ({"query_id": "q_z"}, "Its query_id is not that of the entry"),
        ({"purpose": "marketing"}, "Its purpose is not that of the entry"),
        ({"ledger": {"entry": "begun", "seq": 5, "hash": "0" * 64}}, "Its place in the ledger"),
        ({"ledger": {"entry": "head", "seq": 3, "hash": "0" * 64}}, "Its place in the ledger"),
        ({"releases": []}, "Its plans are not those of the entry"),
        ({"releases": 5}, "It cannot be understood"),
    ],
)
def test_a_signed_receipt_that_does_not_agree_with_its_entries_is_found(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    recorded.answer("a", 300, 7, **changes)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert f"Receipt of q_a: {words}" in problems(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"table_sha256": "0" * 64}, "The table of the release"),
        ({"stored": True}, "is said to be stored, and is not"),
        (
            {"released_by": {"query_id": "q_a", "rho": "0.0000003", "seq": 4, "hash": "0" * 64}},
            "charged by another entry",
        ),
        ({"released_by": {"query_id": "q_z", "rho": "0.0000003", "seq": 5, "hash": "0" * 64}}, "is not stored"),
    ],
)
def test_a_release_that_a_receipt_tells_otherwise_is_found(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    honest = recorded.receipt
    recorded.receipt = lambda *given: {**honest(*given), "releases": [honest(*given)["releases"][0] | changes]}  # type: ignore[method-assign]
    recorded.answer("a", 300)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert words in problems(found)


def test_a_receipt_whose_signature_is_of_something_else_is_found(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    honest = recorded.body

    def with_another_signature(*given: Any) -> bytes:
        body = honest(*given)
        value = json.loads(body)["signature"]["value"]
        return body.replace(value.encode(), recorded.keys.sign(b"something else").value.encode())

    recorded.body = with_another_signature  # type: ignore[assignment, method-assign]
    recorded.answer("a", 300)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert "Receipt of q_a: The signature is not that of this key" in problems(found)


def test_a_tree_head_with_another_root_is_found(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    files = files_of(file)
    head = unseal(files["head.json"].decode().strip(), "head", HEAD_TYPE).content
    wrong = seal("head", {**head, "root_hash": "0" * 64}, recorded.keys)
    packed = pack(signed_again({**files, "head.json": f"{wrong}\n".encode()}, recorded.keys), tmp_path / "lie.zip")
    assert "the tree head: The head of 17 entries was signed over other entries" in problems(
        verify_export(packed, recorded.keys.public)
    )


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ({"rho_nano": 299}, ["The rho of the release", "What it bought does not add up to what was charged"]),
        ({"snapshot": "20250101T000000Z-0001"}, ["is of other data"]),
        ({"dataset": "other"}, ["is of other data"]),
        ({"table": b"another table"}, ["The table of the release"]),
        ({"digest": "0" * 64}, ["is not stored"]),
    ],
)
def test_a_release_that_is_stored_otherwise_than_its_receipt_says_is_found(
    tmp_path: Path, stored: dict[str, Any], words: list[str]
) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    recorded.released = stored
    recorded.answer("a", 300)
    found = problems(verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public))
    recorded.close()
    assert [word for word in words if word not in found] == []


def test_a_manifest_that_counts_other_rows_is_found(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    files = files_of(file)
    manifest = unseal(files[MANIFEST].decode().strip(), "manifest", EXPORT_TYPE).content
    tables = [{**table, "rows": table["rows"] + 1} for table in manifest["tables"]]
    text = seal("manifest", {**manifest, "tables": tables}, recorded.keys)
    packed = pack({**files, MANIFEST: f"{text}\n".encode()}, tmp_path / "lie.zip")
    assert "The table entries has 17 rows in place of 18." in problems(verify_export(packed, recorded.keys.public))


def test_a_receipt_that_is_left_out_is_found(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    files = files_of(file)
    fewer = b"".join(files["receipts.jsonl"].splitlines(keepends=True)[:-1])
    packed = pack(signed_again({**files, "receipts.jsonl": fewer}, recorded.keys), tmp_path / "lie.zip")
    assert "does not hold the receipts of the answers" in problems(verify_export(packed, recorded.keys.public))


def test_a_repeat_that_names_no_entry_before_it_is_found(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    recorded.answer("a", 300)
    recorded.repeat("b", "a", 300, ledger={"entry": "head", "seq": 6, "hash": "0" * 64})
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert "Receipt of q_b: The entry before it" in problems(found)


def test_answers_from_before_receipts_were_signed_are_told_and_later_ones_are_a_problem(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    open_accounts(recorded.ledger)
    signing = recorded.body
    recorded.body = lambda *given: b'{"rows": []}'  # type: ignore[method-assign]
    recorded.answer("a", 100)
    recorded.body = signing  # type: ignore[method-assign]
    recorded.answer("b", 100)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    assert found.is_sound, problems(found)
    assert [check.checked for check in found.checks if "before receipts were signed" in check.name] == [1]
    recorded.body = lambda *given: b'{"rows": []}'  # type: ignore[method-assign]
    recorded.answer("c", 100)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert "Receipt of q_c: It is not signed" in problems(found)


def test_who_has_any_key_that_was_in_use_can_verify(tmp_path: Path) -> None:
    recorded = written(tmp_path)
    first = recorded.keys.public
    second = recorded.keys.rotate(lambda: recorded.ledger.head().seq)
    recorded.answer("g", 30)
    third = recorded.keys.rotate(lambda: recorded.ledger.head().seq)
    recorded.answer("h", 30)
    export = recorded.export(tmp_path / "export.zip")
    for key in (first, second, third):
        found = verify_export(export, key)
        assert found.is_sound, problems(found)
    assert not verify_export(export, KeyRing(tmp_path / "others").public).is_sound
    recorded.close()


def test_a_key_out_of_use_signs_no_later_receipt(tmp_path: Path) -> None:
    recorded = written(tmp_path)
    secret = (tmp_path / "keys" / "signing.key").read_text()
    recorded.keys.rotate(lambda: recorded.ledger.head().seq)
    stolen = tmp_path / "stolen"
    stolen.mkdir(mode=0o700)
    (stolen / "signing.key").write_text(secret)
    (stolen / "signing.key").chmod(0o600)
    owned, recorded.keys = recorded.keys, KeyRing(stolen)
    recorded.answer("g", 30)
    recorded.keys = owned
    found = verify_export(recorded.export(tmp_path / "export.zip"), owned.public)
    recorded.close()
    assert "Receipt of q_g: It is signed with a key that was out of use by then." in problems(found)


def test_a_key_that_no_earlier_one_named_is_refused(tmp_path: Path) -> None:
    recorded = written(tmp_path)
    first = recorded.keys.public
    recorded.keys.rotate(lambda: recorded.ledger.head().seq)
    files = files_of(recorded.export(tmp_path / "export.zip"))
    keys = json.loads(files["keys.json"])
    for wrong in (None, {**keys[1]["endorsement"], "signature": unseal_signature(files)}):
        keys[1]["endorsement"] = wrong
        text = json.dumps(keys, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        packed = pack(signed_again({**files, "keys.json": text}, recorded.keys), tmp_path / "forged.zip")
        assert not verify_export(packed, first).is_sound
    recorded.close()


def unseal_signature(files: dict[str, bytes]) -> Any:
    return json.loads(files["head.json"])["signature"]


def test_kept_tree_heads_show_a_rollback_and_a_rewritten_history(tmp_path: Path) -> None:
    recorded = written(tmp_path / "kept")
    anchors, chain = tmp_path / "heads.jsonl", Chain(recorded.ledger)
    kept = [sealed_head(chain.tree(), recorded.ledger.head(), recorded.keys)]
    anchors.write_text("\n".join(kept) + "\n")
    assert verify_export(recorded.export(tmp_path / "1.zip"), recorded.keys.public, anchors).is_sound
    recorded.answer("g", 30)
    later = recorded.export(tmp_path / "2.zip")
    assert verify_export(later, recorded.keys.public, anchors).is_sound

    kept.append(sealed_head(chain.tree(), recorded.ledger.head(), recorded.keys))
    anchors.write_text("\n".join(kept) + "\n\n")
    assert verify_export(later, recorded.keys.public, anchors).is_sound
    assert "Line 2: A head of 20 entries" in problems(verify_export(tmp_path / "1.zip", recorded.keys.public, anchors))

    other = Recorded(tmp_path / "other")
    other.keys = recorded.keys
    open_accounts(other.ledger)
    for name in "abcdefgh":
        other.answer(name, 10)
    rewritten = verify_export(other.export(tmp_path / "3.zip"), recorded.keys.public, anchors)
    assert "signed over other entries: history was rewritten" in problems(rewritten)
    anchors.write_text(kept[0].replace('"tree_size":', '"tree_size":1'))
    assert "Line 1" in problems(verify_export(later, recorded.keys.public, anchors))
    other.close()
    recorded.close()


def test_an_empty_ledger_can_be_exported(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    recorded.close()
    assert found.is_sound, problems(found)


def test_an_export_is_of_one_moment_while_the_ledger_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = written(tmp_path)
    before = recorded.ledger.head().seq

    def lines_while_somebody_asks(connection: Any, shape: TableShape) -> Iterator[str]:
        yield from lines_of(connection, shape)
        recorded.answer(f"during_{shape.name}", 1)

    monkeypatch.setattr("budgets.evidence.export.lines_of", lines_while_somebody_asks)
    found = verify_export(recorded.export(tmp_path / "export.zip"), recorded.keys.public)
    assert found.is_sound, problems(found)
    assert found.head["tree_size"] == before < recorded.ledger.head().seq
    recorded.close()


def test_an_export_tells_no_key_and_no_secret(recorded: Recorded, file: Path) -> None:
    everything = b"".join(files_of(file).values())
    assert b"key-a" not in everything  # an idempotency key
    assert (recorded.directory / "keys" / "signing.key").read_bytes().strip() not in everything


def test_the_tables_hold_what_the_database_holds(recorded: Recorded, file: Path) -> None:
    files = files_of(file)
    with sqlite3.connect(recorded.directory / "ledger.sqlite") as database:
        names = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert {f"tables/{name}.jsonl" for name in names - {"alembic_version"}} <= set(files)
        for name in names - {"alembic_version"}:
            (count,) = database.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()
            assert files[f"tables/{name}.jsonl"].count(b"\n") == count
    database.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_the_commands_of_the_readme_verify_by_hand(recorded: Recorded, file: Path, tmp_path: Path) -> None:
    for name, data in files_of(file).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "key.pem").write_text(recorded.keys.public.pem)
    readme = (tmp_path / "README.txt").read_text()
    start, end = readme.index("       printf %s"), readme.index("   head.json works")
    done = subprocess.run(["bash", "-ec", readme[start:end]], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Signature Verified Successfully" in done.stdout
    assert max(map(len, readme.splitlines())) < 80
