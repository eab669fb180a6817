"""Requests that we send to servers that strangers name: guarded against being turned on our own network."""
