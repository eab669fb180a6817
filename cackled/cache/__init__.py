"""The cache in front of PostgreSQL. It is soft: it gives memory back when the machine needs it.

`types` has the interface, `soft` the implementation, `testing` a replacement for tests that keeps nothing, `governor`
the part that shrinks caches when memory is short.
"""
