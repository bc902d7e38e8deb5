"""Many-to-one: the sentiment of texts."""
