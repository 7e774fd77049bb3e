"""What the pipeline, the dispatcher and the resolver report, as log lines and metrics.

One line a station with the exchange id, the transaction number, the outcome and the duration;
nothing that identifies a patient (the redaction of `gateway.telemetry` stands behind this).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from gateway.errors import GatewayError, MessageError, NotSentError, UnreadableError
from gateway.inbound.hl7_deliveries import DeliveryEvent
from gateway.inbound.hl7_folder import FolderEvent
from gateway.inbound.mllp_exchange import MLLPEvent
from gateway.intents import CallReport, Message, Result
from gateway.settlement.reconciling import Finding, Report
from gateway.settlement.resolving import UnknownCount
from gateway.telemetry import Logger, Metrics, StationLine, exchange_scope, station

_REFUSALS = {
    MLLPEvent.REFUSED: "full",
    MLLPEvent.FRAME_TIMEOUT: "slow",
    MLLPEvent.IDLE_TIMEOUT: "idle",
}
_EXPECTED_LATE = frozenset({"accepted", "rejected", "none"})
_BAD_INPUT = frozenset(
    {
        MLLPEvent.GARBAGE,
        MLLPEvent.ABANDONED,
        MLLPEvent.OVERSIZE,
        MLLPEvent.UNKNOWN_PEER,
        MLLPEvent.EMPTY_FRAME,
    }
)


class Watch:
    """Log lines and metrics of one gateway."""

    def __init__(self, log: Logger, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics

    def station(self, name: str, **fields: Any) -> AbstractContextManager[StationLine]:
        """A passage of a station: one line when it is left."""
        return station(self._log, name, metrics=self._metrics, **fields)

    @contextmanager
    def exchange(self, exchange_id: str, message: Message) -> Iterator[None]:
        """Every line inside names the exchange; the message counts as in flight."""
        gauge = self._metrics.in_flight.labels(message.protocol)
        with ExitStack() as stack:
            stack.enter_context(
                exchange_scope(
                    exchange_id, protocol=message.protocol, peer=message.peer, kind=message.kind
                )
            )
            stack.enter_context(gauge.track_inprogress())
            yield

    def refused(self, protocol: str, peer: str, error: GatewayError) -> None:
        """A message was refused before it had an exchange."""
        if isinstance(error, UnreadableError):
            self._metrics.bad_input.labels(protocol).inc()
        codes: list[str] = []
        places: list[str] = []
        if isinstance(error, MessageError):
            codes = [problem.code.value for problem in error.problems]
            places = [problem.place for problem in error.problems if problem.place]
        self._count(codes)
        self._log.warning(
            "message refused",
            protocol=protocol,
            peer=peer,
            error=type(error).__name__,
            problems=codes,
            places=places,
        )

    def accepted(self, exchange_id: str, message: Message, kind: str) -> None:
        """A message is durable, or was known."""
        self._log.info(
            "message accepted",
            exchange=exchange_id,
            protocol=message.protocol,
            peer=message.peer,
            kind=message.kind,
            state=kind,
        )

    def answered(self, message: Message, result: Result, seconds: float) -> None:
        """A message has its answer."""
        codes = [problem.code.value for problem in result.problems]
        self._metrics.message(message.protocol, message.kind, result.status.value, seconds)
        self._count(codes)
        self._log.info(
            "message answered",
            outcome=result.status.value,
            verb=result.intent.verb.value,
            calls=[call.infno for call in result.calls],
            problems=codes,
            places=[problem.place for problem in result.problems if problem.place],
            seconds=seconds,
        )

    def called(self, report: CallReport) -> None:
        """A call has its outcome."""
        self._metrics.call(report.infno, report.outcome, report.seconds)

    def failed(self, error: Exception) -> None:
        """Something of ours broke."""
        level = self._log.warning if isinstance(error, NotSentError) else self._log.error
        level("failure", error=type(error).__name__, exc_info=error)

    def port_event(self, event: MLLPEvent) -> None:
        """Something happened at the HL7 v2 port."""
        if event is MLLPEvent.CONNECTED:
            self._metrics.connections.labels("mllp").inc()
        elif event is MLLPEvent.CLOSED:
            self._metrics.connections.labels("mllp").dec()
        elif event in _REFUSALS:
            self._metrics.connections_refused.labels("mllp", _REFUSALS[event]).inc()
        elif event in _BAD_INPUT:
            self._metrics.bad_input.labels("hl7v2").inc()
        if event in _REFUSALS or event in _BAD_INPUT:
            self._log.warning("mllp port", reason=event.value)

    def delivery(self, event: DeliveryEvent) -> None:
        """A message of ours to a peer was delivered, or was not."""
        self._metrics.deliveries.labels(event.value).inc()

    def file_taken(self, event: FolderEvent) -> None:
        """A file of a drop folder was taken."""
        self._metrics.files.labels(event.value).inc()

    def unknown_open(self, by_infno: Mapping[str, UnknownCount]) -> None:
        """So many outcomes are unknown now, by transaction number."""
        self._metrics.unknown(
            {infno: count.count for infno, count in by_infno.items()},
            max((count.oldest for count in by_infno.values()), default=0.0),
        )

    def head_exported(self, seq: int) -> None:
        """The head of the audit was written down outside the journal."""
        self._metrics.audit_exported.set(seq)

    def resolved(self, msgid: str, infno: str, how: str) -> None:
        """An outcome is known."""
        self._metrics.unknown_resolved.labels(infno, how).inc()
        self._log.warning("outcome resolved", msgid=msgid, infno=infno, outcome=how)

    def late_reply(self, msgid: str, infno: str, outcome: str) -> None:
        """What became of listening for a reply that did not come in time."""
        self._metrics.late_replies.labels(infno, outcome).inc()
        level = self._log.info if outcome in _EXPECTED_LATE else self._log.warning
        level("late reply", msgid=msgid, infno=infno, outcome=outcome)

    def reconciled(self, report: Report) -> None:
        """A day was reconciled; only counts are logged."""
        state = report.state.value
        self._metrics.reconciliations.labels(report.fixmedins_code, state).inc()
        level = self._log.info if state == "balanced" else self._log.warning
        level(
            "day reconciled",
            institution=report.fixmedins_code,
            day=report.begin.isoformat(),
            outcome=state,
            count=report.totals.count,
            differences=len(report.differences),
        )

    def reconciliation_open(
        self, fixmedins_code: str, findings: Mapping[str, int], behind: int
    ) -> None:
        """Differences in the window by finding, and days without a comparison."""
        for finding in Finding:
            gauge = self._metrics.reconciliation_differences.labels(fixmedins_code, finding.value)
            gauge.set(findings.get(finding.value, 0))
        self._metrics.reconciliation_behind.labels(fixmedins_code).set(behind)

    def notified(self, subscription: str, status: int, events: int) -> None:
        """A subscriber was told so many events, and answered so."""
        result = "taken" if 200 <= status < 300 else "failed"
        self._metrics.notifications.labels(result).inc()
        level = self._log.info if result == "taken" else self._log.warning
        level("subscriber notified", subscription=subscription, status=status, count=events)

    def subscription_ended(self, subscription: str, peer: str, status: str) -> None:
        """A subscription has status error or off now."""
        self._log.warning("subscription ended", subscription=subscription, peer=peer, state=status)

    def _count(self, codes: list[str]) -> None:
        for code in codes:
            self._metrics.problems.labels(code).inc()
