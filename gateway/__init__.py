"""Gateway between hospital messages and the national medical-insurance interface."""

__version__ = "0.1.0"
