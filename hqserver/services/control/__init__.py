"""What people do to jobs, work and runs that are there: every action of CONTRACT 3.5 and 10."""
