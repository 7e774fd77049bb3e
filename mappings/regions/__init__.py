"""Region and pooling tables."""
