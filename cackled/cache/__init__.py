"""The soft cache that stands before PostgreSQL.

`types` says what a cache is, `soft` is the one that serves, `testing` has a stand-in without memory, `governor` gives
memory back when the machine needs it.
"""
