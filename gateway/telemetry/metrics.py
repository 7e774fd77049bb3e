"""Every metric of the gateway; docs/reference/metrics.md is made from here.

Labels are bounded: a label that a sender can choose (the kind of a message, a route) is one of a
known set or `other`, so that a stranger cannot grow the number of series. No label ever holds
patient data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the text that `Metrics.render` gives."""

MAX_KINDS = 200
"""Kinds of message told apart; further ones are counted as `other`."""

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0)
_KIND = re.compile(
    r"[A-Z]{3}\^[A-Z]\d\d|\d{4,6}[A-Z]?|[a-z][a-z-]{2,19}( [A-Z][A-Za-z]{2,39}(/?\$[a-z-]+)?)?"
)


class _Make(NamedTuple):
    """Makes metrics in one registry."""

    registry: CollectorRegistry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Counts what happened."""
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """Says how much there is now."""
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, label: str, buckets: tuple[float, ...]) -> Histogram:
        """Says how long things took."""
        return Histogram(name, text, [label], buckets=buckets, registry=self.registry)


class Metrics:
    """The metrics of one gateway in a registry of their own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._kinds: set[str] = set()
        self._unknown: set[str] = set()
        make = _Make(self.registry)
        self._of_messages(make)
        self._of_transactions(make)
        self._of_the_office(make)
        self._of_senders(make)
        self._of_peers(make)

    def _of_messages(self, make: _Make) -> None:
        """Messages on their way through the stations."""
        self.messages = make.counter(
            "gateway_messages",
            "Messages answered, by protocol, kind and outcome",
            "protocol",
            "kind",
            "outcome",
        )
        self.message_seconds = make.histogram(
            "gateway_message_seconds",
            "Seconds from a message's arrival to its answer",
            "protocol",
            _SLOW,
        )
        self.in_flight = make.gauge(
            "gateway_messages_in_flight", "Messages being worked on", "protocol"
        )
        self.station_seconds = make.histogram(
            "gateway_station_seconds", "Seconds a message spent at a station", "station", _FAST
        )

    def _of_transactions(self, make: _Make) -> None:
        """What the platform was asked, and what is not known of it."""
        # outcome: accepted, rejected, not-sent, unknown
        self.calls = make.counter(
            "gateway_calls", "Transactions by number and outcome", "infno", "outcome"
        )
        self.call_seconds = make.histogram(
            "gateway_call_seconds",
            "Seconds from sending a transaction to its outcome",
            "infno",
            _SLOW,
        )
        # the number an operator watches
        self.unknown_open = make.gauge(
            "gateway_unknown_open", "Transactions whose outcome is unknown and not yet resolved"
        )
        self.unknown_transactions = make.gauge(
            "gateway_unknown_transactions", "The same by transaction number", "infno"
        )
        self.unknown_oldest = make.gauge(
            "gateway_unknown_oldest_seconds", "Age of the oldest of them; 0 when there is none"
        )
        # outcome: accepted, rejected, unusable, none, too-many; mismatch, contradicts
        self.late_replies = make.counter(
            "gateway_late_replies",
            "Money transactions listened for after their timeout, by what came",
            "infno",
            "outcome",
        )
        # how: reversed, confirmed; accepted, rejected by a late reply
        self.unknown_resolved = make.counter(
            "gateway_unknown_resolved",
            "Unknown outcomes that the resolver ended, or an operator's reversal",
            "infno",
            "how",
        )

    def _of_the_office(self, make: _Make) -> None:
        """The gateway's own work: books compared, audit written out, subscribers told."""
        # state: balanced, different, incomplete
        self.reconciliations = make.counter(
            "gateway_reconciliations",
            "Days that were reconciled, by institution and result",
            "institution",
            "state",
        )
        self.reconciliation_differences = make.gauge(
            "gateway_reconciliation_differences",
            "Settlements in which we and the centre differ, by institution and finding",
            "institution",
            "finding",
        )
        self.reconciliation_behind = make.gauge(
            "gateway_reconciliation_behind_days",
            "Days in the window that were not compared yet",
            "institution",
        )
        self.audit_exported = make.gauge(
            "gateway_audit_exported_row",
            "Row of the audit whose hash was last written down outside the journal",
        )
        # result: taken, failed
        self.notifications = make.counter(
            "gateway_subscription_notifications",
            "Notifications sent to FHIR subscribers, by result",
            "result",
        )

    def _of_senders(self, make: _Make) -> None:
        """Who sends, and what is refused."""
        self.problems = make.counter(
            "gateway_problems", "Problems told to senders, by code", "code"
        )
        self.connections = make.gauge("gateway_connections", "Open connections", "port")
        # reason: full, slow, idle
        self.connections_refused = make.counter(
            "gateway_connections_refused", "Connections closed by a limit", "port", "reason"
        )
        self.bad_input = make.counter(
            "gateway_bad_input", "Input that was no message of its protocol", "protocol"
        )
        # reason: token, address, operator
        self.denied = make.counter(
            "gateway_http_denied", "HTTP requests refused for who sent them", "reason"
        )
        # route: the template, never the path
        self.http_requests = make.counter(
            "gateway_http_requests",
            "HTTP requests by route and status",
            "route",
            "method",
            "status",
        )
        self.http_seconds = make.histogram(
            "gateway_http_seconds", "Seconds to answer an HTTP request", "route", _SLOW
        )

    def _of_peers(self, make: _Make) -> None:
        """What goes to peers and comes by folders; what log lines lost."""
        # messages of ours to peers: failed attempts are repeated, lost ones are given up
        self.deliveries = make.counter(
            "gateway_hl7_deliveries", "Messages of ours to HL7 v2 peers, by outcome", "outcome"
        )
        # answered, failed (refused as a whole), kept (tried again)
        self.files = make.counter(
            "gateway_folder_files", "Files of drop folders, by what became of them", "outcome"
        )
        # every one is a defect to look at
        self.log_values_dropped = make.counter(
            "gateway_log_values_dropped", "Log keys and values taken out by the redaction"
        )

    def message(self, protocol: str, kind: str, outcome: str, seconds: float) -> None:
        """Count one answered message."""
        self.messages.labels(protocol, self.known_kind(kind), outcome).inc()
        self.message_seconds.labels(protocol).observe(seconds)

    def station(self, name: str, seconds: float) -> None:
        """Observe one passage of a station."""
        self.station_seconds.labels(name).observe(seconds)

    def call(self, infno: str, outcome: str, seconds: float) -> None:
        """Count one transaction."""
        self.calls.labels(infno, outcome).inc()
        self.call_seconds.labels(infno).observe(seconds)

    def unknown(self, by_infno: Mapping[str, int], oldest: float) -> None:
        """Say how many outcomes are unknown now, and for how long (seconds) the oldest is."""
        self.unknown_open.set(sum(by_infno.values()))
        self.unknown_oldest.set(oldest)
        for infno in self._unknown - by_infno.keys():
            self.unknown_transactions.labels(infno).set(0)
        self._unknown |= by_infno.keys()
        for infno, count in by_infno.items():
            self.unknown_transactions.labels(infno).set(count)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request; `route` is the template."""
        known = method if method in _METHODS else "other"
        self.http_requests.labels(route, known, str(status)).inc()
        self.http_seconds.labels(route).observe(seconds)

    def dropped(self, count: int) -> None:
        """Count what the redaction took out."""
        self.log_values_dropped.inc(count)

    def known_kind(self, kind: str) -> str:
        """The kind as a label: itself while it has the form of one and there are not too many."""
        if kind in self._kinds:
            return kind
        if len(self._kinds) >= MAX_KINDS or not _KIND.fullmatch(kind):
            return "other"
        self._kinds.add(kind)
        return kind

    def render(self) -> bytes:
        """The text that /metrics answers."""
        return generate_latest(self.registry)

    def described(self) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
        """Name, kind, labels and description of every metric, for the documentation."""
        for metric in vars(self).values():
            if isinstance(metric, MetricWrapperBase):
                family = next(iter(metric.describe()))
                name = f"{family.name}_total" if family.type == "counter" else family.name
                yield name, family.type, tuple(metric._labelnames), family.documentation  # noqa: SLF001 - the library has no public name for the labels


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
