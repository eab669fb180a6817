"""The HTTP resources, one module per domain service."""
