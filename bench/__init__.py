"""Every claim of speed, measured against a peer in the same run: `python -m bench`."""
