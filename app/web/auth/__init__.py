"""Who asks: users, their passwords, and the ways to say who one is."""
