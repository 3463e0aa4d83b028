"""Every setting is documented, bounded and taken from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    row = next((line for line in DOCUMENT.splitlines() if line.startswith(f"| `KVITTO_{name.upper()}` ")), None)
    assert row is not None
    assert str(Settings.model_fields[name].description) in row


def test_no_setting_is_documented_that_does_not_exist() -> None:
    rows = [line.split("`")[1] for line in DOCUMENT.splitlines() if line.startswith("| `KVITTO_")]
    assert rows == [f"KVITTO_{name.upper()}" for name in Settings.model_fields]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KVITTO_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KVITTO_PORT", "9000")
    settings = Settings()
    assert settings.port == 9000
    assert settings.vault_root == tmp_path / "vault"
    assert settings.keys_dir == tmp_path / "keys"
    assert settings.anchor_file == tmp_path / "keys" / "anchor.json"
    assert settings.ledger_url == f"sqlite:///{tmp_path}/ledger.db"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("QUERY_TIMEOUT_SECONDS", "nan"),
        ("RESPONSE_GRID_MS", "-1"),
        ("LOG_LEVEL", "x"),
    ],
)
def test_a_setting_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"KVITTO_{name}", value)
    with pytest.raises(ValidationError):
        Settings()
