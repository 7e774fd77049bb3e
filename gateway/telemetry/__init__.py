"""Log lines without patient data, and metrics."""
