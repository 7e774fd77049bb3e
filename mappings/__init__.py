"""How messages become records, and local codes national codes."""
