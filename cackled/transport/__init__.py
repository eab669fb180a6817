"""Bytes in, bytes out: HTTP, TLS, microcache, assets. Knows no comments."""
