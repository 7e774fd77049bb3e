"""Regions, pooling regions and channels."""
