"""The web part: what answers HTTP, and how."""
