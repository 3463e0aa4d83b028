"""The auditor reads the chain as it is hashed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from budgets.evidence.chain import HEAD_TYPE
from budgets.evidence.merkle import is_consistent, is_included
from budgets.evidence.sealed import PublicKey, unseal
from budgets.evidence.verification import verify_export
from budgets.ledger import canonical_json, entry_hash
from tests.service.harness import Harness


def test_an_auditor_can_check_the_chain_from_the_api_alone(harness: Harness) -> None:
    for number in range(3):
        harness.ask(str(number))
    entries: list[dict[str, Any]] = []
    after: str | None = "0"
    while after is not None:
        page = harness.send("GET", f"/v1/audit?limit=4&after={after}", "auditor").json()
        entries += page["items"]
        after = page["next"]
    previous = "0" * 64
    for number, entry in enumerate(entries, start=1):
        assert (entry["seq"], entry["prev_hash"]) == (number, previous)
        payload = canonical_json(entry["payload"])
        previous = entry_hash(entry["seq"], entry["at"], entry["kind"], entry["actor"], payload, entry["prev_hash"])
        assert previous == entry["hash"]
    head = harness.send("GET", "/v1/audit/head", "auditor").json()
    assert head == {"seq": len(entries), "hash": previous}


def test_the_ledger_holds_no_answer_and_no_key(harness: Harness) -> None:
    harness.ask("a-canary-key")
    text = json.dumps(harness.send("GET", "/v1/audit?limit=500", "auditor").json())
    assert "GROCERY" not in text
    assert "a-canary-key" not in text


def head_of(harness: Harness, query: str = "") -> dict[str, Any]:
    """A signed head, its signature checked."""
    sealed = unseal(harness.send("GET", f"/v1/audit/tree-head{query}", "auditor").text, "head", HEAD_TYPE)
    sealed.require(PublicKey.parse(harness.send("GET", "/v1/audit/key", "auditor").text))
    return sealed.content


def nodes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def test_every_entry_is_proven_by_a_path_to_a_signed_head(harness: Harness) -> None:
    harness.ask()
    size = head_of(harness)["tree_size"]
    for seq in range(1, size + 1):
        found = harness.send("GET", f"/v1/audit/proof/{seq}", "auditor").json()
        entry, head = found["entry"], found["tree_head"]["head"]
        unseal(canonical_json(found["tree_head"]), "head", HEAD_TYPE)
        payload = canonical_json(entry["payload"])
        stated = entry_hash(seq, entry["at"], entry["kind"], entry["actor"], payload, entry["prev_hash"])
        assert stated == found["hash"]
        leaf, root = bytes.fromhex(stated), bytes.fromhex(head["root_hash"])
        assert found["leaf_hash"] == hashlib.sha256(b"\x00" + leaf).hexdigest()
        assert is_included(leaf, seq - 1, head["tree_size"], nodes(found["audit_path"]), root)
    harness.problem(harness.send("GET", f"/v1/audit/proof/{size + 1}", "auditor"), "not-found")
    harness.problem(harness.send("GET", f"/v1/audit/proof/{size}?tree_size={size - 1}", "auditor"), "invalid-request")
    harness.problem(harness.send("GET", f"/v1/audit/proof/1?tree_size={size + 1}", "auditor"), "invalid-request")
    harness.problem(harness.send("GET", "/v1/audit/proof/0", "auditor"), "invalid-request")


def test_who_kept_a_head_sees_that_history_was_only_appended_to(harness: Harness) -> None:
    kept = head_of(harness)
    for number in range(3):
        harness.ask(str(number))
        now, first = head_of(harness), kept["tree_size"]
        found = harness.send("GET", f"/v1/audit/consistency?first={first}", "auditor").json()
        roots = bytes.fromhex(kept["root_hash"]), bytes.fromhex(found["tree_head"]["head"]["root_hash"])
        assert (found["second"], found["tree_head"]["head"]["root_hash"]) == (now["tree_size"], now["root_hash"])
        assert is_consistent(first, found["second"], *roots, nodes(found["proof"]))
    earlier = head_of(harness, f"?tree_size={kept['tree_size']}")
    assert {**earlier, "timestamp": ""} == {**kept, "timestamp": ""}
    for wrong in ("first=9999", "first=0", "first=5&second=4", "first=1&second=9999", ""):
        harness.problem(harness.send("GET", f"/v1/audit/consistency?{wrong}", "auditor"), "invalid-request")
    harness.problem(harness.send("GET", "/v1/audit/tree-head?tree_size=9999", "auditor"), "invalid-request")


def test_the_public_key_is_shown_to_everybody_with_a_key_in_both_forms(harness: Harness) -> None:
    found = harness.send("GET", "/v1/audit/key", "dashboard").json()
    assert PublicKey.parse(found["pem"]) == PublicKey.parse(found["public_key"])
    assert PublicKey.parse(found["pem"]).id == found["key"] == found["keys"][-1]["key"]


def test_an_export_of_the_running_service_is_verified_elsewhere(harness: Harness, tmp_path: Path) -> None:
    answers = [harness.ask(str(number)) for number in range(3)]
    harness.ask("repeat", sql="SELECT 'repeat'")
    sent = harness.send("GET", "/v1/audit/export", "auditor")
    assert sent.headers["content-type"] == "application/zip"
    assert int(sent.headers["content-length"]) == len(sent.content)
    (tmp_path / "export.zip").write_bytes(sent.content)
    key = PublicKey.parse(harness.send("GET", "/v1/audit/key").text)
    found = verify_export(tmp_path / "export.zip", key)
    assert [problem for check in found.checks for problem in check.problems] == []
    assert {check.checked for check in found.checks if check.name.startswith("receipts")} == {len(answers) + 1}
    for text in harness.keys.values():
        assert text.encode() not in sent.content


def test_few_exports_are_made_at_once(harness: Harness) -> None:
    slots = harness.app.state.context.export_slots
    slots.acquire(), slots.acquire()
    harness.problem(harness.send("GET", "/v1/audit/export", "auditor"), "too-many-requests")
    slots.release()
    assert harness.send("GET", "/v1/audit/export", "auditor").status_code == 200
