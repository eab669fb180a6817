"""Addresses to places: an MMDB file made into a flat in-memory index."""
