"""Takes what people must be told from the outbox to where they read it, at least once."""
