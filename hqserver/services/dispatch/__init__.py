"""Who gets which work: the queue, the clients as a pass sees them, holds and rates."""
