"""Runs the app without a network: an event loop in a thread, and one call for each request."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from budgets.evidence.chain import ReadableLedger
from budgets.evidence.signing import KeyRing
from service.app import create_app, open_api_keys, open_ledger
from service.auth import ROLES
from service.settings import Settings
from tests.service.fakes import FakeAnswering, FakeCatalogue, FakeSimulations

QUESTION: dict[str, Any] = {"dataset": "shop", "sql": "SELECT COUNT(*) AS lines FROM purchases", "epsilon": "0.1"}


@dataclass
class Harness:
    """The app with its parts, and one key a role; "other" is a second analyst, "officer2" a second officer."""

    app: FastAPI
    ledger: ReadableLedger
    catalogue: FakeCatalogue
    answering: FakeAnswering
    simulations: FakeSimulations
    keys: dict[str, str]
    logs: io.StringIO
    portal: BlockingPortal
    client: httpx.AsyncClient

    def send(self, method: str, path: str, role: str | None = "analyst", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[role]}"} if role else {}
        headers |= more.pop("headers", {})

        async def request() -> httpx.Response:
            return await self.client.request(method, path, headers=headers, **more)

        return self.portal.call(request)

    def ask(self, key: str = "1", role: str = "analyst", **members: Any) -> httpx.Response:
        return self.send("POST", "/v1/queries", role, json={**QUESTION, **members}, headers={"Idempotency-Key": key})

    def problem(self, response: httpx.Response, slug: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(response.content)
        assert document["type"] == f"/problems/{slug}", document
        assert response.headers["content-type"] == "application/problem+json"
        assert document["status"] == response.status_code
        assert document["title"]
        assert document["detail"]
        return document


@contextmanager
def open_harness(settings: Settings, logs: io.StringIO) -> Iterator[Harness]:
    """A started app; it is stopped as a server would stop it."""
    ledger, catalogue, keys = open_ledger(settings), FakeCatalogue(), open_api_keys(settings)
    answering, simulations = FakeAnswering(ledger, catalogue, KeyRing(settings.keys_dir)), FakeSimulations()
    texts = {role: keys.create(role, role)[1] for role in ROLES}
    texts |= {owner: keys.create(owner, role)[1] for owner, role in (("other", "analyst"), ("officer2", "officer"))}
    app = create_app(
        settings, answering=answering, ledger=ledger, catalogue=catalogue, api_keys=keys, simulations=simulations
    )
    with start_blocking_portal() as portal, _running(portal, app):
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://kvitto.test")
        yield Harness(app, ledger, catalogue, answering, simulations, texts, logs, portal, client)
        portal.call(client.aclose)


def _running(portal: BlockingPortal, app: FastAPI) -> AbstractContextManager[Any]:
    return portal.wrap_async_context_manager(app.router.lifespan_context(app))
