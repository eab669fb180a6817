"""The request object: what it reads by itself instead of leaving it to Twisted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import parse_qs

from cackled.transport._request import arguments

PIECES = st.sampled_from([b"&", b";", b"=", b"+", b"%41", b"%", b"%zz", b"%c3%a4", b"a", b"bc", b"a=1", b"&a=2"])


class ArgumentsTests(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.one_of(st.binary(max_size=30), st.lists(PIECES, max_size=10).map(b"".join)))
    def test_as_twisted(self, query: bytes) -> None:
        """Any query is read as Twisted reads it."""
        self.assertEqual(arguments(query), parse_qs(query, 1))

    def test_values(self) -> None:
        """Repeated and empty values stay, what has no equals sign is left out."""
        self.assertEqual(arguments(b"a=1&a=2&b=&c&d=x+y%21"), {b"a": [b"1", b"2"], b"b": [b""], b"d": [b"x y!"]})
