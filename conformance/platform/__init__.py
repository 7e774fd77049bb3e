"""The reference platform: a server that behaves as a regional centre."""
