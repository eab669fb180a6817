"""Sessions: bound to their site, bounded in time, renewable, and not to be forged."""

from __future__ import annotations

import base64
import json
import random

import jwt
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import Unauthorized
from cackled.domain.sessions import LEEWAY, LIFETIME, RENEWABLE, Sessions
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site

ONE = Site(1, "one", SiteSettings())
TWO = Site(2, "two", SiteSettings())
KEY = bytes(range(32))


class SessionsTests(SynchronousTestCase):
    """`Sessions`."""

    def setUp(self) -> None:
        self.now = 1_800_000_000.0
        self.sessions = Sessions(KEY, lambda: self.now, random.Random(1))

    def refused(self, token: str, site: Site = ONE) -> str:
        with self.assertRaises(Unauthorized) as caught:
            self.sessions.check(site, token)
        self.assertEqual(caught.exception.status, 401)
        return caught.exception.slug

    def test_opened(self) -> None:
        """A grant's token is that visitor's on that site until it runs out; strangers differ."""
        grant = self.sessions.open(ONE)
        self.assertEqual(str(self.sessions.check(ONE, grant.token).visitor), grant.visitor)
        self.assertEqual(grant.expires, int(self.now) + LIFETIME)
        self.assertTrue(0 < int(grant.visitor) < 2**63)
        self.assertNotEqual(self.sessions.open(ONE).visitor, grant.visitor)

    def test_other_site(self) -> None:
        """A token or ticket of one site is worth nothing on another, not even for renewal."""
        grant = self.sessions.open(ONE)
        self.assertEqual(self.refused(grant.token, TWO), "bad-token")
        self.assertIsNone(self.sessions.check_view(TWO, f"{grant.visitor}.{grant.view}"))
        self.assertNotEqual(self.sessions.open(TWO, grant.token).visitor, grant.visitor)

    def test_expiry(self) -> None:
        """It holds for a day and the clocks' difference, is renewable for half a year, and then is gone."""
        grant = self.sessions.open(ONE)
        self.now += LIFETIME + LEEWAY - 1
        self.sessions.check(ONE, grant.token)
        self.now += 2
        self.assertEqual(self.refused(grant.token), "token-expired")
        renewed = self.sessions.open(ONE, grant.token)
        self.assertEqual(renewed.visitor, grant.visitor)
        self.sessions.check(ONE, renewed.token)
        self.now += RENEWABLE + 1
        self.assertNotEqual(self.sessions.open(ONE, grant.token).visitor, grant.visitor)

    def test_forged(self) -> None:
        """Other keys, other algorithms, changed claims and cut tokens are refused, never an error of another kind."""
        grant = self.sessions.open(ONE)
        head, claims, mac = grant.token.split(".")
        body = json.loads(base64.urlsafe_b64decode(claims + "=="))
        changed = base64.urlsafe_b64encode(json.dumps({**body, "sub": "7"}).encode()).decode().rstrip("=")
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
        forged = [
            "", ".", "..", "a.b.c", head, f"{head}.{claims}", f"{head}.{claims}.", f"{none}.{claims}.",
            f"{head}.{changed}.{mac}", grant.token[:-2], grant.token + "x", "я" * 50, "x" * 5000, grant.token.upper(),
            jwt.encode(body, b"another key of thirty-two bytes.", algorithm="HS256"),
            jwt.encode(body, KEY, algorithm="HS256"),
        ]  # fmt: skip
        for token in forged:
            self.assertEqual(self.refused(token), "bad-token", token)

    def test_own_key_odd_claims(self) -> None:
        """Even a token signed with the right key must hold what ours hold."""
        key = self.sessions._key
        good = {"sub": "5", "aud": "site:1", "iat": 0, "exp": 4_000_000_000}
        self.sessions.check(ONE, jwt.encode(good, key, algorithm="HS256"))
        for change in ({"sub": "x"}, {"sub": None}, {"aud": "site:2"}, {"aud": None}, {"exp": None}, {"exp": "soon"}):
            claims = {name: value for name, value in {**good, **change}.items() if value is not None}
            self.refused(jwt.encode(claims, key, algorithm="HS256"))

    @given(st.text(max_size=200))
    def test_any_text(self, token: str) -> None:
        """Any text is refused as a token and as a ticket, and opens a new session."""
        sessions = Sessions(KEY, lambda: 0.0, random.Random(2))
        self.assertRaises(Unauthorized, sessions.check, ONE, token)
        self.assertIsNone(sessions.check_view(ONE, token))
        sessions.open(ONE, token)

    def test_view_tickets(self) -> None:
        """A view ticket is its visitor's alone, and neither a token nor made from one."""
        grant = self.sessions.open(ONE)
        other = self.sessions.open(ONE)
        seen = self.sessions.check_view(ONE, f"{grant.visitor}.{grant.view}")
        assert seen is not None
        self.assertEqual((seen.site, str(seen.visitor)), (1, grant.visitor))
        for ticket in (
            f"{other.visitor}.{grant.view}", f"{grant.visitor}.{other.view}", grant.visitor, f"{grant.visitor}.",
            f".{grant.view}", f"{grant.visitor}.{grant.view}x", f"-{grant.visitor}.{grant.view}",
            f"{grant.visitor}.{grant.view}.{grant.view}", grant.token, f"٣.{grant.view}", f"{'9' * 400}.{grant.view}",
        ):  # fmt: skip
            self.assertIsNone(self.sessions.check_view(ONE, ticket), ticket)
        self.refused(grant.view)

    def test_keys_apart(self) -> None:
        """Nodes with one secret accept each other's tokens, with another secret none."""
        grant = self.sessions.open(ONE)
        self.assertEqual(
            str(Sessions(KEY, lambda: self.now, random.Random(9)).check(ONE, grant.token).visitor), grant.visitor
        )
        other = Sessions(KEY[::-1], lambda: self.now, random.Random(9))
        self.assertRaises(Unauthorized, other.check, ONE, grant.token)
        self.assertIsNone(other.check_view(ONE, f"{grant.visitor}.{grant.view}"))
