"""What keeps the farm in order by itself: the ticks' work, audits, copies of the database."""
