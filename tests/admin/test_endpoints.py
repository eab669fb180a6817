"""Endpoint strings of operator listeners. What may be listened on is in test_manhole and test_http."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin.endpoints import Place, parse, require_local
from cackled.config import ConfigError


class ParseTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """The kinds an operator listener may have, with Twisted's escapes."""
        for endpoint, place in (
            ("tcp:2300:interface=127.0.0.1", Place("127.0.0.1", 2300)),
            ("tcp:port=2300", Place("", 2300)),
            (r"tcp6:2300:interface=\:\:1", Place("::1", 2300)),
            (r"unix:/run/a\:b:mode=600", Place(path="/run/a:b", mode=0o600)),
            ("unix:address=/run/a", Place(path="/run/a", mode=0o666)),
        ):
            self.assertEqual(parse(endpoint, "key"), place)

    def test_wrong(self) -> None:
        """The message names the key and quotes the endpoint."""
        for endpoint in ("", "tcp", "tcp:", "tcp:99999", "tcp:-1", "unix:", "unix:/a:mode=rw", "ssl:443", "8081"):
            message = str(self.assertRaises(ConfigError, parse, endpoint, "[x] y"))
            self.assertIn("[x] y: ", message)
            self.assertIn(repr(endpoint), message)

    @given(st.text(max_size=40), st.booleans())
    def test_any_text(self, endpoint: str, private: bool) -> None:
        """Whatever the text, it is a place or a ConfigError."""
        try:
            require_local(endpoint, "key", private=private)
        except ConfigError:
            pass
