"""Floor 1: rows in, domain values out. The only SQL of the server."""
