"""Every setting of the service, read from `KVITTO_*` environment variables and documented in docs/settings.md.

The meaning of a released setting never changes: a new meaning gets a new name.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

_UNSET = Path()
_LEAST_SECRET_CHARACTERS = 32


class Settings(BaseSettings):
    """The settings of one service process; unknown values are refused with the name of the setting."""

    model_config = SettingsConfigDict(env_prefix="KVITTO_", frozen=True, extra="forbid", hide_input_in_errors=True)

    data_dir: Path = Field(default=Path("var"), description="Directory of the vault, the ledger and the API keys.")
    keys_dir: Path = Field(
        default=_UNSET,
        description="Directory of the secret keys. Keep it on another volume than the data. Default: `<data>/keys`.",
    )
    ledger_url: str = Field(
        default="",
        description="SQLAlchemy URL of the ledger. Default: the SQLite file `<data>/ledger.db`.",
    )
    anchor_file: Path = Field(
        default=_UNSET,
        description="File that holds the newest ledger head outside the database. Default: `<keys>/anchor.json`.",
    )
    anchor_url: str = Field(
        default="",
        description="Address to which signed tree heads are posted, in the background; https, or http on this machine.",
    )
    anchor_seconds: float = Field(
        default=10.0, gt=0, le=86_400, description="Time between two tree heads that are posted."
    )
    publisher_name: str = Field(
        default="", max_length=200, description="Who publishes, as reports and the registry entry name it."
    )
    publisher_type: Literal["Government", "Industry", "Nonprofit"] = Field(
        default="Industry", description="What the publisher is, in the words of the deployments registry."
    )
    publisher_region: str = Field(
        default="", max_length=200, description="The region that the data describe, or whose law applies."
    )
    publisher_contact: str = Field(
        default="",
        max_length=500,
        description="Where customers ask, and opt out: an address or a page, as reports tell it.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    workers: int = Field(default=1, ge=1, le=64, description="Worker processes that read private rows.")
    worker_memory_mb: int = Field(default=2_048, ge=256, le=1_048_576, description="Memory limit of one worker, MiB.")
    query_timeout_seconds: float = Field(
        default=30.0, gt=0, le=3_600, description="Deadline of one release; a worker that overruns it is killed."
    )
    failures_per_day: int = Field(
        default=5,
        ge=1,
        le=1_000_000,
        description="Releases of one person on one dataset that may fail within 24 hours; then the person has to wait.",
    )
    public_timeout_seconds: float = Field(
        default=2.0,
        gt=0,
        le=8,
        description="Time for what a statement does on public and released tables; then it is interrupted.",
    )
    simulations_in_flight: int = Field(
        default=1, ge=1, le=64, description="Simulations of accuracy run at once; a few more wait, 429 beyond."
    )
    simulation_seconds: float = Field(
        default=20.0, gt=0, le=3_600, description="Time for one simulation; what is drawn by then counts."
    )
    simulation_rows: int = Field(
        default=1_000_000, ge=1_000, le=1_000_000_000, description="Rows made up for simulations on a dataset, about."
    )
    response_grid_ms: int = Field(
        default=100,
        ge=0,
        le=60_000,
        description="Answers and errors of work that touched private rows leave at multiples of this time; 0: at once.",
    )
    requests_in_flight: int = Field(default=256, ge=1, le=10_000, description="Requests served at once; 429 beyond.")
    queries_in_flight: int = Field(
        default=16, ge=1, le=1_000, description="Queries worked on at once; more of them wait."
    )
    rate_per_second: float = Field(
        default=50.0, gt=0, le=100_000, description="Requests a second that one key may send."
    )
    rate_burst: int = Field(default=400, ge=1, le=1_000_000, description="Requests that one key may send at once.")
    body_timeout_seconds: float = Field(default=10.0, gt=0, le=600, description="Time for a request body to arrive.")
    recovery_seconds: float = Field(
        default=30.0,
        gt=0,
        le=3_600,
        description="Time between two searches for requests that were never finished, and for new snapshots.",
    )
    alert_url: str = Field(default="", description="Where alerts are POSTed, signed: https, or http on this machine.")
    alert_secret_file: Path = Field(
        default=_UNSET, description="File with the secret that signs alerts, of 32 characters or more."
    )
    alert_percents: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(50, 80, 95, 100), description="How full a budget is when it is told, in percent of its rho or delta."
    )
    alert_seconds: float = Field(
        default=5.0, gt=0, le=3_600, description="Time between two looks at the ledger for what is to be told."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    log_format: Literal["json", "console"] = Field(default="json", description="One JSON object a line, or text.")

    @field_validator("alert_percents", mode="before")
    @classmethod
    def _percents(cls, value: object) -> object:
        """Numbers with commas between them."""
        return tuple(value.split(",")) if isinstance(value, str) else value

    @field_validator("alert_percents")
    @classmethod
    def _in_order(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 < percent <= 100 for percent in value):  # noqa: PLR2004  # what percent means
            raise ValueError("must be from 1 to 100")
        return tuple(sorted(set(value)))

    @field_validator("alert_url", "anchor_url")
    @classmethod
    def _safe_address(cls, value: str) -> str:
        """An address that nobody else can read what is sent to."""
        parts = urlsplit(value)
        if value and (parts.username or parts.password or not parts.hostname):
            raise ValueError("must be an address without a user")
        if value and parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname or "")):
            raise ValueError("must be https, or http on this machine")
        return value

    @model_validator(mode="after")
    def _signs_alerts(self) -> Self:
        if self.alert_url:
            self.alert_secret()
        return self

    def alert_secret(self) -> bytes:
        """The secret that signs alerts; empty where there is no address to send them to."""
        if not self.alert_url:
            return b""
        try:
            secret = self.alert_secret_file.read_bytes().strip()
        except OSError:
            raise ValueError("the file with the secret cannot be read: alerts are signed") from None
        if len(secret) < _LEAST_SECRET_CHARACTERS:
            raise ValueError(f"the file must hold a secret of {_LEAST_SECRET_CHARACTERS} characters or more")
        return secret

    @model_validator(mode="after")
    def _derive_places(self) -> Self:
        keys_dir = self.data_dir / "keys" if self.keys_dir == _UNSET else self.keys_dir
        anchor_file = keys_dir / "anchor.json" if self.anchor_file == _UNSET else self.anchor_file
        ledger_url = self.ledger_url or f"sqlite:///{(self.data_dir / 'ledger.db').absolute()}"
        for name, value in (("keys_dir", keys_dir), ("anchor_file", anchor_file), ("ledger_url", ledger_url)):
            object.__setattr__(self, name, value)
        return self

    @property
    def vault_root(self) -> Path:
        """The directory that holds one directory a dataset."""
        return self.data_dir / "vault"

    @property
    def api_keys_url(self) -> str:
        """The database of the API keys' digests."""
        return f"sqlite:///{(self.data_dir / 'api-keys.db').absolute()}"


def _is_here(host: str) -> bool:
    """Whether a host is this machine's loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
