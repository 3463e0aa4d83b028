"""The store of API keys: 256 random bits each, shown once, kept only as a keyed digest.

A slow hash is for passwords; these keys can't be guessed. The pepper lies outside the database, so that a stolen copy
of the database neither verifies nor forges a key.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

_KEY: Final = re.compile(r"^kvitto_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$")
_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_metadata = sa.MetaData()
_keys = sa.Table(
    "api_keys",
    _metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("owner", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("expires", sa.String),
    sa.Column("revoked", sa.String),
    sa.Column("purposes", sa.String),  # names with a space between them; NULL: any
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key once it was shown: never the key. Without `purposes` it may ask for any."""

    id: str
    owner: str
    role: str
    created: str
    expires: str | None
    revoked: str | None
    purposes: tuple[str, ...] = ()


class ApiKeys:
    """The keys of one service; safe to share between threads and processes."""

    def __init__(self, url: str, pepper: bytes) -> None:
        self._engine = sa.create_engine(url)
        self._pepper = pepper
        _make_private(url)
        _metadata.create_all(self._engine)
        _add_purposes(self._engine)

    def create(
        self, owner: str, role: str, lifetime: timedelta | None = None, purposes: Sequence[str] = ()
    ) -> tuple[ApiKey, str]:
        """A new key of `owner`, and its text, which can't be had again."""
        key_id = "".join(secrets.choice(_ALPHABET) for _ in range(12))
        secret = secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        expires = _stamp(now + lifetime) if lifetime else None
        key = ApiKey(key_id, owner, role, _stamp(now), expires, None, tuple(purposes))
        row = {**asdict(key), "purposes": " ".join(purposes) or None}
        with self._engine.begin() as connection:
            connection.execute(_keys.insert().values(digest=self._digest(key_id, secret), **row))
        return key, f"kvitto_{key_id}_{secret}"

    def verify(self, text: str) -> ApiKey | None:
        """The live key that `text` is, or None; the comparison takes the same time for every wrong secret."""
        match = _KEY.fullmatch(text)
        if match is None:
            return None
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(_keys).where(_keys.c.id == match[1])).one_or_none()
        stored = row.digest if row is not None else "0" * 64
        same = hmac.compare_digest(stored, self._digest(match[1], match[2]))
        if row is None or not same or row.revoked is not None:
            return None
        if row.expires is not None and row.expires <= _stamp(datetime.now(UTC)):
            return None
        return _api_key(row)

    def revoke(self, key_id: str) -> ApiKey | None:
        """End a key's life at once and for good; None when there is no such key."""
        with self._engine.begin() as connection:
            connection.execute(
                _keys.update()
                .where(_keys.c.id == key_id, _keys.c.revoked.is_(None))
                .values(revoked=_stamp(datetime.now(UTC)))
            )
            row = connection.execute(sa.select(_keys).where(_keys.c.id == key_id)).one_or_none()
        return _api_key(row) if row is not None else None

    def list(self, *, after: str | None = None, limit: int = 1_000) -> tuple[ApiKey, ...]:
        """Keys ordered by id, revoked ones too, from the one behind `after`."""
        select = sa.select(_keys).order_by(_keys.c.id).limit(limit)
        if after is not None:
            select = select.where(_keys.c.id > after)
        with self._engine.connect() as connection:
            return tuple(_api_key(row) for row in connection.execute(select))

    def close(self) -> None:
        """Give the database connections back."""
        self._engine.dispose()

    def _digest(self, key_id: str, secret: str) -> str:
        return hmac.new(self._pepper, f"{key_id}:{secret}".encode(), hashlib.sha256).hexdigest()


def open_pepper(keys_dir: Path) -> bytes:
    """The pepper of the API keys, made (32 random bytes, hex, mode 600) when there is none."""
    keys_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = keys_dir / "api-keys-pepper.key"
    if not path.exists():
        draft = keys_dir / f".api-keys-pepper.{secrets.token_hex(8)}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # Another process was first: its pepper counts.
            os.link(draft, path)
        draft.unlink()
    return bytes.fromhex(path.read_text().strip())


def _make_private(url: str) -> None:
    database = sa.engine.make_url(url).database
    if url.startswith("sqlite") and database:
        Path(database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(database).touch(mode=0o600)


def _add_purposes(engine: sa.Engine) -> None:
    """Adds the column to a store that was made before there were purposes."""
    if "purposes" in {column["name"] for column in sa.inspect(engine).get_columns("api_keys")}:
        return
    try:
        with engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE api_keys ADD COLUMN purposes VARCHAR"))
    except sa.exc.OperationalError:  # another process may have been first
        if "purposes" not in {column["name"] for column in sa.inspect(engine).get_columns("api_keys")}:
            raise


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _api_key(row: sa.Row[tuple[object, ...]]) -> ApiKey:
    return ApiKey(
        row.id, row.owner, row.role, row.created, row.expires, row.revoked, tuple((row.purposes or "").split())
    )
