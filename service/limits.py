"""Limits before anything is parsed: header bytes, requests in flight, body type, bytes and time; one person's share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import RETRY_AFTER_SECONDS, ProblemError

HEADER_BYTES_MAX: Final = 16 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
_SHARES: Final = 8
_IN_WORK_LEAST: Final = 2
_DIGITS_MAX: Final = 18
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class InFlight:
    """Refuses requests with huge headers or two lengths, and those above the number that the service takes at once."""

    def __init__(self, app: ASGIApp, requests_in_flight: int) -> None:
        self._app = app
        self._requests_in_flight = requests_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the limits, or raise `ProblemError`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES_MAX:
            raise ProblemError("headers-too-large")
        if {"content-length", "transfer-encoding"}.issubset(Headers(scope=scope).keys()):
            # A server in front may count the other of the two, and take the rest of the body for a request (RFC 9112).
            detail = "Content-Length and Transfer-Encoding cannot stand together."
            raise ProblemError("bad-request", detail, headers={"Connection": "close"})
        if self._in_flight >= self._requests_in_flight:
            raise ProblemError("too-many-requests", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


class PersonSlots:
    """One person's share of the queries in work and of the requests in flight, so that there is room for others."""

    def __init__(self, queries_in_flight: int, requests_in_flight: int) -> None:
        self._in_work = max(_IN_WORK_LEAST, queries_in_flight // _SHARES)
        self._waiting = requests_in_flight - requests_in_flight // _SHARES
        self._slots: dict[str, anyio.CapacityLimiter] = {}  # as many as there are owners of keys

    @asynccontextmanager
    async def one(self, person: str) -> AsyncIterator[None]:
        """Waits for one of the person's slots; raises `ProblemError` where too many wait already."""
        slots = self._slots.setdefault(person, anyio.CapacityLimiter(self._in_work))
        if slots.statistics().tasks_waiting >= self._waiting:
            raise ProblemError("too-many-requests", headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        async with slots:
            yield


class WholeBody:
    """Reads the whole body, bounded in bytes and time, before the app sees the request."""

    def __init__(self, app: ASGIApp, body_timeout_seconds: float) -> None:
        self._app = app
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request whose body fits, or raise `ProblemError`; a caller that went away gets nothing."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._body(scope, receive)
        if body is not None:
            await self._app(scope, _replay(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        if scope["method"] not in _WITH_BODY:
            return b""
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit():
            raise ProblemError("bad-request", "Content-Length is not a number.")
        if len(declared) > _DIGITS_MAX or int(declared) > BODY_BYTES_MAX:
            raise ProblemError("too-large")
        with anyio.move_on_after(self._body_timeout_seconds):
            body = await _read(receive)
            if body and not _is_json(headers.get("content-type", "")):
                raise ProblemError("unsupported-media-type")
            return body
        raise ProblemError("body-timeout")


def _is_json(content_type: str) -> bool:
    name, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    return name.strip().lower() == "application/json" and charset in {"", "utf-8", "utf8"}


async def _read(receive: Receive) -> bytes | None:
    chunks = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks += message.get("body", b"")
        if len(chunks) > BODY_BYTES_MAX:
            raise ProblemError("too-large")
        if not message.get("more_body", False):
            return bytes(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A channel that gives the body once, and then whatever the server says next."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
