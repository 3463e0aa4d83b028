"""The auditor reads the chain as it is hashed."""

from __future__ import annotations

import json
from typing import Any

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
