"""The soft cache that stands before PostgreSQL."""
