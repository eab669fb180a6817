"""Tests of `cackled.privacy`."""
