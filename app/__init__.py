"""What runs: applications, services, components, endpoints."""
