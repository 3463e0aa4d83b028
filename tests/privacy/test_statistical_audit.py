"""The noise that leaves the service is no less than the ledger says: neighbouring datasets, asked through HTTP."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from tests.privacy.audit import CELLS, EVENT, RHO, VARIANTS, Audit, charged_epsilon, power
from tests.privacy.stores import STORES, Service, make_keys, running, settings_of, share_vault

_HALVED = """#!{python} -I
# The interpreter of a worker that halves its noise: `-I -m queries.worker DESCRIPTOR PARENT` comes as arguments.
import sys
from queries import sandbox, worker

def enter(*arguments):
    held = entered(*arguments)
    import numpy as np
    from queries import mechanisms
    def add_noise(self, exact):
        return np.asarray(mechanisms._measurement(self.scale / 2)(exact), np.int64)
    mechanisms.Gaussian.add_noise = add_noise
    return held

entered, sandbox.enter = sandbox.enter, enter
worker.main(int(sys.argv[-2]), int(sys.argv[-1]))
"""


def _audited(service: Service) -> tuple[Audit, float]:
    """The audit of eight answers, and the epsilon that the ledger charged for each of them."""
    counts, charges = {"full": 0, "less": 0}, set()
    for variant in range(VARIANTS):
        sql = f"SELECT store_id, COUNT(*) AS n FROM purchases WHERE ticket >= {-variant} GROUP BY store_id"
        for dataset in counts:
            before = service.spent(dataset)
            answer = service.ask(dataset, sql, rho=str(float(RHO)), reuse="never")
            assert answer.status_code == 201, answer.text
            charges.add(service.spent(dataset) - before)
            rows = answer.json()["rows"]
            assert sorted(row["store_id"] for row in rows) == list(range(STORES))
            counts[dataset] += sum(row["n"] >= EVENT for row in rows)
    assert len(charges) == 1
    return Audit(counts["full"], counts["less"], CELLS), charged_epsilon(charges.pop())


def test_the_audit_has_the_power_to_see_halved_noise() -> None:
    assert CELLS >= 2_000
    assert power(2) >= 1 - 1e-13


def test_the_lower_bound_on_epsilon_is_within_the_ledgers_epsilon(service: Service) -> None:
    audit, charged = _audited(service)
    assert charged == pytest.approx(1, abs=1e-6)
    assert audit.least_epsilon <= charged
    assert audit.with_customer > audit.without  # the customers were counted at all


def test_a_worker_that_halves_its_noise_fails_the_audit(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python-of-the-worker"
    interpreter.write_text(_HALVED.format(python=sys.executable))
    interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
    settings = settings_of(tmp_path / "var")
    share_vault(settings, service.settings)
    texts = make_keys(settings)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with running(settings, texts) as faulty:
        audit, charged = _audited(faulty)
    assert audit.least_epsilon > charged
