"""Tests of what visitors add to what they write: pictures and files."""
