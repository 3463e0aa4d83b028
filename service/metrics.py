"""Counters for operators: requests and charges, nothing of private rows and no run times of private work."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest


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

        self._anchors = Counter(
            "kvitto_anchors",
            "Signed tree heads sent elsewhere, taken or failed.",
            ("outcome",),
            registry=self._registry,
        )
        self._anchor_lag = Gauge(
            "kvitto_anchor_lag_entries",
            "Entries that no head which was taken elsewhere covers.",
            registry=self._registry,
        )

    def count_request(self, route: str, method: str, status: int) -> None:
        """Count one response."""
        self._requests.labels(route, method, str(status)).inc()

    def count_charge(self, dataset: str) -> None:
        """Count one query that was charged."""
        self._charges.labels(dataset).inc()

    def count_anchor(self, outcome: str) -> None:
        """Count one head that was sent: `taken` or `failed`."""
        self._anchors.labels(outcome).inc()

    def set_anchor_lag(self, entries: int) -> None:
        """Tell how many entries are not covered elsewhere."""
        self._anchor_lag.set(entries)

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)
