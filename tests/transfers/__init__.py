"""Tests of `cackled.transfers`."""
