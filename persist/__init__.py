"""The ground floor: objects to bytes and back. Knows nothing of applications."""
