"""Floor 2: one use case per function, one transaction each."""
