"""Who is asking: Bearer keys on everything under /v1, before a body is read, and the roles that a call belongs to."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

import anyio.to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.answering import Person
from service.api_keys import ApiKeys
from service.problems import ProblemError
from service.rate_limit import RateLimit

ROLES: Final = ("analyst", "dashboard", "officer", "auditor", "admin")
_PREFIX: Final = "/v1"


class Authentication:
    """Puts the key's owner into the request's state, or refuses the request."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, rate_limit: RateLimit) -> None:
        self._app = app
        self._keys = keys
        self._rate_limit = rate_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of a known key, and any request outside /v1."""
        if scope["type"] == "http" and (scope["path"] == _PREFIX or scope["path"].startswith(_PREFIX + "/")):
            scope["state"]["person"] = await self._person(Headers(scope=scope).getlist("authorization"))
        await self._app(scope, receive, send)

    async def _person(self, authorization: list[str]) -> Person:
        scheme, _, text = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
        key = await anyio.to_thread.run_sync(self._keys.verify, text.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            raise ProblemError("unauthenticated", headers={"WWW-Authenticate": 'Bearer realm="kvitto"'})
        wait_seconds = self._rate_limit.take(key.id)
        if wait_seconds:
            raise ProblemError("too-many-requests", headers={"Retry-After": str(math.ceil(wait_seconds))})
        return Person(name=key.owner, role=key.role, purposes=key.purposes)


def purpose_of(person: Person, purpose: str | None) -> str | None:
    """The purpose of a question: what it states, or the only one that the key is bound to.

    Raises "purpose" where the key is bound to others, or to several and none is stated.
    """
    if not person.purposes or purpose in person.purposes:
        return purpose
    if purpose is None and len(person.purposes) == 1:
        return person.purposes[0]
    named = ", ".join(person.purposes)
    raise ProblemError("purpose", f"This key is bound to {named}: state one of its purposes with the question.")


def allow(*roles: str) -> Callable[[Request], Awaitable[Person]]:
    """A dependency that gives the asking person when their role is one of `roles`, and raises "role" otherwise."""

    async def person_in_role(request: Request) -> Person:
        person: Person = request.state.person
        if person.role not in roles:
            raise ProblemError(
                "role", f"This call belongs to the roles {', '.join(roles)}; the key's role is {person.role}."
            )
        return person

    person_in_role.roles = roles  # type: ignore[attr-defined]  # The documentation reads the roles of a call from here.
    return person_in_role
