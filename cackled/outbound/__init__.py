"""Requests to servers that strangers name. They are guarded, so that nobody can direct them at our own network."""
