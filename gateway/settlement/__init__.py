"""Plans, visit state, filling of calls, resolution of unknown outcomes."""
