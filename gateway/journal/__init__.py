"""What happened and what is owed: the durable store and its audit chain."""
