"""A key may send `burst` requests at once, and `per_second` after that."""

from __future__ import annotations

import io

from service.rate_limit import RateLimit
from service.settings import Settings
from tests.service.harness import open_harness


def test_a_bucket_empties_and_fills_again() -> None:
    now = 0.0
    limit = RateLimit(2.0, 3, lambda: now)
    assert [limit.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    now = 0.5
    assert limit.take("a") == 0.0
    assert limit.take("a") == 0.5
    now = 100.0
    assert [limit.take("a") for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_one_key_does_not_slow_another() -> None:
    limit = RateLimit(1.0, 1, lambda: 0.0)
    assert [limit.take("a"), limit.take("b"), limit.take("a")] == [0.0, 0.0, 1.0]


def test_forgotten_buckets_keep_memory_bounded() -> None:
    limit = RateLimit(1.0, 1, lambda: 0.0)
    for number in range(10_050):
        limit.take(str(number))
    assert len(limit._buckets) == 10_000


def test_a_key_that_is_too_fast_is_told_when_to_come_again(settings: Settings, logs: io.StringIO) -> None:
    slow = settings.model_copy(update={"rate_burst": 2, "rate_per_second": 0.1})
    with open_harness(slow, logs) as harness:
        assert [harness.send("GET", "/v1/me").status_code for _ in range(2)] == [200, 200]
        response = harness.send("GET", "/v1/me")
        harness.problem(response, "too-many-requests")
        assert response.headers["retry-after"] == "10"
        assert harness.send("GET", "/v1/me", "other").status_code == 200
        assert harness.send("GET", "/livez", None).status_code == 200
