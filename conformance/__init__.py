"""The reference platform of the national interface."""
