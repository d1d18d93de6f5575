"""Floor 3: the read-only status page."""
