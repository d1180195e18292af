"""Which resource a request is for: hosts, users, places, rewriting."""
