"""Counters for operators: requests and charges, nothing of private rows and no run times of private work."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    """The counters of one app; labels come from closed sets (routes, methods, statuses, datasets)."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "kvitto_requests", "HTTP requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self._charges = Counter(
            "kvitto_charges", "Queries answered or failed with a charge.", ("dataset",), registry=self._registry
        )

    def count_request(self, route: str, method: str, status: int) -> None:
        """Count one response."""
        self._requests.labels(route, method, str(status)).inc()

    def count_charge(self, dataset: str) -> None:
        """Count one query that was charged."""
        self._charges.labels(dataset).inc()

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
