"""What can be done to a snapshot without running it."""
