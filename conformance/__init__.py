"""Black-box suites and the reference platform."""
