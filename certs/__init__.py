"""Keys and certificates: how they are made, checked and stored."""
