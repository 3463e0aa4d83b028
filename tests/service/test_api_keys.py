"""API keys: shown once, kept as a keyed digest, useless without the pepper."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from service.api_keys import ApiKeys, open_pepper
from tests.service.harness import Harness


def test_the_text_of_a_key_is_nowhere_on_disk(tmp_path: Path) -> None:
    store = ApiKeys(f"sqlite:///{tmp_path}/keys.db", open_pepper(tmp_path / "keys"))
    _, text = store.create("analyst", "analyst")
    store.close()
    secret = text.rpartition("_")[2] if text.count("_") == 2 else text[20:]
    for path in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert secret.encode() not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_stolen_database_verifies_no_key_without_the_pepper(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/keys.db"
    first = ApiKeys(url, open_pepper(tmp_path / "keys"))
    _, text = first.create("analyst", "analyst")
    other = ApiKeys(url, open_pepper(tmp_path / "elsewhere"))
    assert first.verify(text) is not None
    assert other.verify(text) is None
    first.close()
    other.close()


def test_the_pepper_stays(tmp_path: Path) -> None:
    assert open_pepper(tmp_path) == open_pepper(tmp_path)
    assert len(open_pepper(tmp_path)) == 32


def test_keys_are_made_listed_and_revoked_by_an_admin(harness: Harness) -> None:
    made = harness.send("POST", "/v1/keys", "admin", json={"owner": "maria", "role": "officer", "expires_in_days": 1})
    assert made.status_code == 201
    harness.keys["maria"] = made.json()["key"]
    assert harness.send("GET", "/v1/me", "maria").json()["role"] == "officer"
    listed, cursor = [], None
    while True:
        page = harness.send("GET", f"/v1/keys?limit=2{f'&cursor={cursor}' if cursor else ''}", "admin").json()
        listed += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(listed) == 8
    assert made.json()["id"] in {key["id"] for key in listed}
    assert all("key" not in key and "digest" not in key for key in listed)
    assert harness.send("DELETE", f"/v1/keys/{made.json()['id']}", "admin").status_code == 204
    harness.problem(harness.send("DELETE", "/v1/keys/nothing", "admin"), "not-found")


def test_a_key_is_bound_to_purposes(harness: Harness) -> None:
    body = {"owner": "maria", "role": "analyst", "purposes": ["assortment", "health"]}
    made = harness.send("POST", "/v1/keys", "admin", json=body).json()
    assert made["purposes"] == ["assortment", "health"]
    harness.keys["maria"] = made["key"]
    assert harness.send("GET", "/v1/me", "maria").json()["purposes"] == ["assortment", "health"]
    assert harness.send("GET", "/v1/me").json()["purposes"] == []
    listed = harness.send("GET", "/v1/keys", "admin").json()["items"]
    assert [key["purposes"] for key in listed if key["owner"] == "maria"] == [["assortment", "health"]]
    harness.problem(harness.send("POST", "/v1/keys", "admin", json={**body, "purposes": ["A b"]}), "invalid-request")


def test_a_store_from_before_there_were_purposes_is_read_on(tmp_path: Path) -> None:
    url, pepper = f"sqlite:///{tmp_path}/keys.db", open_pepper(tmp_path / "keys")
    store = ApiKeys(url, pepper)
    key, text = store.create("analyst", "analyst")
    store.close()
    with closing(sqlite3.connect(tmp_path / "keys.db")) as connection:
        connection.execute("ALTER TABLE api_keys DROP COLUMN purposes")
    for _ in range(2):
        opened = ApiKeys(url, pepper)
        assert opened.verify(text) == key
        opened.close()
