"""Log lines that never identify a patient, and metrics."""

from gateway.telemetry.logs import Logger, configure_logging, get_logger
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.stations import StationLine, exchange_scope, station

__all__ = [
    "Logger",
    "Metrics",
    "StationLine",
    "configure_logging",
    "exchange_scope",
    "get_logger",
    "station",
]
