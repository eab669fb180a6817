"""Tests of content codings."""

from __future__ import annotations

import gzip

import brotli
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.transport._variants import (
    BROTLI,
    GZIP,
    IDENTITY,
    compress,
    compressible,
    encoding_class,
    matches,
    variant_etag,
)


class VariantTests(SynchronousTestCase):
    """Three classes of clients."""

    def test_classes(self) -> None:
        """Accept-Encoding boils down to br, gzip or nothing."""
        for accept, expected in (
            (b"", IDENTITY),
            (b"gzip, deflate, br, zstd", BROTLI),
            (b"GZIP", GZIP),
            (b"br;q=0, gzip", GZIP),
            (b"br;q=0.0,gzip;q=0", IDENTITY),
            (b"*", BROTLI),
            (b"*;q=0", IDENTITY),
            (b"br;q=0, *", GZIP),
            (b"identity", IDENTITY),
            (b"deflate", IDENTITY),
            (b"gzip;q=rubbish", IDENTITY),
            (b"x-gzip", GZIP),
            (b"br ;q=1", BROTLI),
        ):
            self.assertEqual(encoding_class(accept), expected, accept)

    @given(st.binary(max_size=200))
    def test_any_header(self, accept: bytes) -> None:
        """Any bytes are one of the classes."""
        self.assertIn(encoding_class(accept), (IDENTITY, GZIP, BROTLI))

    @given(st.binary(max_size=2000))
    def test_round_trip(self, body: bytes) -> None:
        """What is compressed can be read by others."""
        self.assertEqual(brotli.decompress(compress(body, BROTLI)), body)
        self.assertEqual(gzip.decompress(compress(body, GZIP)), body)
        self.assertEqual(brotli.decompress(compress(body, BROTLI, quick=True)), body)
        self.assertEqual(gzip.decompress(compress(body, GZIP, quick=True)), body)
        self.assertEqual(compress(body, IDENTITY), body)

    def test_compressible(self) -> None:
        """Text of some size is; pictures and trifles are not."""
        self.assertTrue(compressible(b"Text/HTML; charset=utf-8", 1000))
        self.assertFalse(compressible(b"application/json", 100))
        self.assertFalse(compressible(b"image/png", 1000))
        self.assertFalse(compressible(None, 1000))

    def test_tags(self) -> None:
        """Strong tags tell codings apart; comparison is weak, in lists too."""
        self.assertEqual(variant_etag(b'"a"', BROTLI), b'"a-br"')
        self.assertEqual(variant_etag(b'"a"', BROTLI, quick=True), b'"a-b"')
        self.assertEqual(variant_etag(b'W/"a"', BROTLI), b'W/"a"')
        self.assertTrue(matches(b'"x", W/"a"', b'"a"'))
        self.assertFalse(matches(b'"a-br"', b'"a"'))
        self.assertTrue(matches(b" * ", b'"a"'))
