"""The HTTP edge: every request gets an id, every response the security headers, every failure becomes a problem.

This is one of the two places that may catch `Exception`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.logs import place_of
from service.metrics import Metrics
from service.problems import MEDIA_TYPE, PROBLEM_TYPES, Problem, problem_of

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = structlog.stdlib.get_logger("kvitto")


def problem_response(problem: Problem, request_id: str | None) -> Response:
    """The response that carries a problem."""
    return Response(problem.body(request_id), problem.status, dict(problem.headers), MEDIA_TYPE)


class Edge:
    """The outermost layer around the app."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what goes wrong inside is answered here and never reaches the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        sent = _Sent(send, request_id, without_body=scope["method"] == "HEAD")
        asked = scope["method"]
        if asked == "HEAD":
            scope["method"] = "GET"
        try:
            await self._app(scope, receive, sent)
        except Exception as error:  # noqa: BLE001  # One of the two places: whatever happened, a problem is sent.
            problem = problem_of(error)
            if problem is None:
                _log.error("fault", request_id=request_id, error=type(error).__name__, place=place_of(error))
                problem = Problem("internal", PROBLEM_TYPES["internal"].meaning)
            if not sent.started:
                await problem_response(problem, request_id)(scope, receive, sent)
        self._record(scope, asked, request_id, sent.status)

    def _record(self, scope: Scope, method: str, request_id: str, status: int) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        method = method if method in _METHODS else "other"
        self._metrics.count_request(route, method, status)
        person = scope["state"].get("person")
        who = person.name if person is not None else None
        _log.info("request", request_id=request_id, method=method, route=route, status=status, person=who)


class _Sent:
    """Sends a response with the common headers, and without its body where the method was HEAD."""

    def __init__(self, send: Send, request_id: str, *, without_body: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._without_body = without_body
        self.status = 0

    @property
    def started(self) -> bool:
        """Whether a status line was sent."""
        return self.status != 0

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self._request_id
            headers.setdefault("Cache-Control", "no-store")
        elif self._without_body:
            message = {**message, "body": b""}
        await self._send(message)
