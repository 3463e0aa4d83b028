"""Nobody gets more than the budget by asking many times at once, of one service or of two."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import httpx
import pytest

from budgets.audit import verify
from budgets.ledger import Ledger
from service.app import open_ledger
from service.settings import Settings
from tests.privacy.stores import NO_LIMITS, Service, load, make_keys, settings_of

REQUESTS = 200
COUNT = {"sql": "SELECT COUNT(*) AS n FROM purchases", "reuse": "never"}


def _price(ledger: Ledger, account: str, share: Fraction) -> str:
    """A share of what is left, as text of rho."""
    return f"{int(ledger.balance(account).remaining.rho_nano * share) / 10**9:.9f}"


def _kinds(ledger: Ledger, account: str) -> Counter[str]:
    return Counter(entry.kind for entry in ledger.entries(after_seq=0, limit=10_000, account_id=account))


def test_of_many_parallel_requests_for_most_of_the_rest_one_succeeds(service: Service) -> None:
    account = "less/person/spender"
    price = _price(service.ledger, account, Fraction(6, 10))
    cap = service.ledger.balance(account).cap.rho_nano

    def ask(_: int) -> int:
        with httpx.Client(base_url=service.client.base_url, timeout=120) as client:  # each asker has connections alone
            asker = replace(service, client=client)
            return asker.ask("less", COUNT["sql"], owner="spender", rho=price, reuse="never").status_code

    with ThreadPoolExecutor(REQUESTS) as pool:
        statuses = Counter(pool.map(ask, range(REQUESTS)))
    assert statuses == {201: 1, 403: REQUESTS - 1}
    assert service.spent(account) == int(Fraction(price) * 10**9) <= cap
    assert _kinds(service.ledger, account)["settled"] == _kinds(service.ledger, account)["reserved"] == 1


@contextmanager
def _process(settings: Settings) -> Iterator[str]:
    """The URL of a service in a process of its own."""
    command = [sys.executable, "-c", "from service.cli import app; app()", "serve", "--port", "0"]
    environment = {
        "KVITTO_DATA_DIR": str(settings.data_dir),
        "KVITTO_RESPONSE_GRID_MS": "0",
        "KVITTO_RATE_BURST": "100000",
        "KVITTO_LOG_LEVEL": "error",
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "200",
    }
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as child:
        try:
            assert child.stdout is not None
            urls = (re.search(r"http://localhost:\d+", text) for text in child.stdout)
            yield next(url[0] for url in urls if url)
        finally:
            child.terminate()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_of(Path(tmp_path_factory.mktemp("shared")))
    load(settings, "less", heavy=False)
    return settings


def test_two_services_on_one_ledger_do_not_overspend_it(shared: Settings) -> None:
    texts = make_keys(shared)
    account = "less/person/spender"
    with ExitStack() as stack:
        urls = list(
            stack.enter_context(ThreadPoolExecutor(2)).map(lambda s: stack.enter_context(_process(s)), [shared] * 2)
        )
        ledger = open_ledger(shared)
        stack.callback(ledger.close)
        price = _price(ledger, account, Fraction(3, 10))
        clients = [stack.enter_context(httpx.Client(base_url=url, timeout=120, limits=NO_LIMITS)) for url in urls]

        def ask(number: int) -> int:
            headers = {"Authorization": f"Bearer {texts['spender']}", "Idempotency-Key": f"k{number}"}
            body = {"dataset": "less", "rho": price, **COUNT}
            return clients[number % 2].post("/v1/queries", headers=headers, json=body).status_code

        with ThreadPoolExecutor(40) as pool:
            statuses = Counter(pool.map(ask, range(40)))
        balance = ledger.balance(account)
        assert statuses == {201: 3, 403: 37}
        assert balance.spent.rho_nano == 3 * int(Fraction(price) * 10**9) <= balance.cap.rho_nano
        assert balance.reserved.rho_nano == 0
        assert _kinds(ledger, account)["settled"] == 3
        assert verify(ledger, anchor=shared.anchor_file).is_sound
