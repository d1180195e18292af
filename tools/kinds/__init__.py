"""The kinds of application that mkapp can build."""
