"""Metrics count what an operator needs, with labels that strangers cannot grow."""

from __future__ import annotations

from gateway.telemetry import Metrics
from gateway.telemetry.metrics import MAX_KINDS


def test_a_message_is_counted_by_protocol_kind_and_outcome() -> None:
    """One answered message is one count and one duration."""
    metrics = Metrics()
    metrics.message("hl7v2", "ADT^A04", "done", 0.5)
    labels = {"protocol": "hl7v2", "kind": "ADT^A04", "outcome": "done"}
    assert metrics.registry.get_sample_value("gateway_messages_total", labels) == 1.0
    total = metrics.registry.get_sample_value("gateway_message_seconds_sum", {"protocol": "hl7v2"})
    assert total == 0.5


def test_a_kind_that_has_no_form_of_one_is_other() -> None:
    """What a sender writes into MSH-9 cannot become a label."""
    assert Metrics().known_kind("张伟示") == "other"
    assert Metrics().known_kind("430199198001010019") == "other"


def test_the_number_of_kinds_is_bounded() -> None:
    """A sender that invents events fills `other`, not the memory."""
    metrics = Metrics()
    for number in range(MAX_KINDS):
        assert metrics.known_kind(f"{number:04d}") == f"{number:04d}"
    assert metrics.known_kind("9999") == "other"
    assert metrics.known_kind("0000") == "0000"


def test_two_gateways_in_one_process_have_separate_metrics() -> None:
    """The registry is passed in, so that nothing is registered twice."""
    first, second = Metrics(), Metrics()
    first.call("2207", "unknown", 1.0)
    labels = {"infno": "2207", "outcome": "unknown"}
    assert first.registry.get_sample_value("gateway_calls_total", labels) == 1.0
    assert second.registry.get_sample_value("gateway_calls_total", labels) is None


def test_every_metric_has_a_description_and_the_prefix() -> None:
    """A metric without a description cannot be documented."""
    described = list(Metrics().described())
    assert len(described) >= 15
    for name, _kind, _labels, text in described:
        assert name.startswith("gateway_")
        assert text
