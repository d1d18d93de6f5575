"""How work moves: the sheet that settles jobs, and what reports, losses and failing clients do to it."""
