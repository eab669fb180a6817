"""The composition root: what a daemon is made of, and when everything happens."""
