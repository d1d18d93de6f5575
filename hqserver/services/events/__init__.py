"""What the farm tells of itself: events, the callbacks they fire, mail, and the errors people should know of."""
