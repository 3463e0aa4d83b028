"""The demo's API keys: one a role, written once to a file that only its owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from service.api_keys import ApiKeys

OWNERS: Final[Mapping[str, str]] = {
    "analyst": "analyst",
    "dashboard": "dashboard",
    "officer": "officer",
    "officer2": "officer",
    "auditor": "auditor",
    "admin": "admin",
}


def ensure_demo_keys(path: Path, keys: ApiKeys) -> dict[str, str]:
    """The keys in the file by owner; those that are missing, or that the store does not know any more, are made."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    live = {owner: known[owner] for owner in OWNERS if owner in known and keys.verify(known[owner]) is not None}
    if len(live) < len(OWNERS):
        live |= {owner: keys.create(owner, role)[1] for owner, role in OWNERS.items() if owner not in live}
        _write(path, json.dumps({owner: live[owner] for owner in OWNERS}, indent=2) + "\n")
    return live


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
