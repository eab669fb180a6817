"""Grants: only what the site itself signed, for as long as it says, and for no other site."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import Forbidden, Unauthorized
from cackled.domain.grants import KNOWN, LEEWAY, MOST_CHANNELS, MOST_TOKENS, Grants
from cackled.domain.settings import SiteSettings
from cackled.domain.site import Site
from cackled.events import channel_id

NOW = 1_800_000_000
SECRET = "a secret of the site that is long enough"
PRIVATE = Site(1, "one", SiteSettings(private=True, channel_secret=SECRET))
PUBLIC = Site(1, "one", SiteSettings(channel_secret=SECRET))
OTHER = Site(2, "two", SiteSettings(private=True, channel_secret=SECRET))
MEMBERS, GUESTS = channel_id("comments", "members"), channel_id("comments", "guests")


def token(secret: str = SECRET, *, algorithm: str = "HS256", **claims: Any) -> str:
    """A grant of site 1."""
    given = {"aud": "site:1", "exp": NOW + 60, **claims}
    return jwt.encode({key: value for key, value in given.items() if value is not None}, secret, algorithm=algorithm)


def unsigned(claims: dict[str, Any]) -> str:
    """A token that says it needs no signature."""
    parts = (json.dumps(one).encode() for one in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


class GrantsTests(SynchronousTestCase):
    """`Grants`."""

    def setUp(self) -> None:
        self.now = float(NOW)
        self.grants = Grants(lambda: self.now, ["comments", "wall"])

    def outcome(self, *tokens: str, site: Site = PRIVATE, channel: int | None = MEMBERS) -> str:
        refusal = self.grants.refused(site, tokens, channel)
        if refusal is None:
            self.assertIsNone(self.grants.check(site, tokens, channel))
            return ""
        self.assertRaises(type(refusal), self.grants.check, site, tokens, channel)
        self.assertIsInstance(refusal, Forbidden if refusal.slug == "not-granted" else Unauthorized)
        return refusal.slug

    def test_left(self) -> None:
        """Until the last of those that cover the channel has run out, clocks that differ allowed for."""
        short, long = token(channels=["members"]), token(channels=["members", "guests"], exp=NOW + 600)
        self.assertEqual(self.grants.seconds_left(PRIVATE, (short,), MEMBERS), 60 + LEEWAY)
        self.assertEqual(self.grants.seconds_left(PRIVATE, (short, long), MEMBERS), 600 + LEEWAY)
        self.assertEqual(self.grants.seconds_left(PRIVATE, (short,), GUESTS), 0)
        self.assertIsNone(self.grants.seconds_left(PUBLIC, (short,), MEMBERS))
        self.now += 59 + LEEWAY
        self.assertEqual(self.grants.seconds_left(PRIVATE, (short,), MEMBERS), 1)
        self.now += 2
        self.assertEqual(self.grants.seconds_left(PRIVATE, (short,), MEMBERS), 0)
        self.assertGreater(self.grants.seconds_left(PRIVATE, (token(exp=10**400),), MEMBERS) or 0, 10**10)

    def test_public(self) -> None:
        """A site that is not private asks for nothing, whatever is brought."""
        self.assertEqual(self.outcome(site=PUBLIC), "")
        self.assertEqual(self.outcome("rubbish", site=PUBLIC), "")
        self.assertTrue(self.grants.everything(PUBLIC, ()))

    def test_private(self) -> None:
        """All of the site, or the channels named; one of several tokens is enough."""
        self.assertEqual(self.outcome(), "no-token")
        self.assertEqual(self.outcome(token()), "")
        some = token(channels=["members", "staff"])
        self.assertEqual(self.outcome(some), "")
        self.assertEqual(self.outcome(some, channel=None), "")
        self.assertEqual(self.outcome(some, channel=GUESTS), "not-granted")
        self.assertEqual(self.outcome(some, token(channels=["guests"]), channel=GUESTS), "")
        self.assertEqual(self.outcome(token(channels=[]), channel=None), "")
        self.assertEqual(self.outcome(token(channels=[])), "not-granted")
        self.assertTrue(self.grants.everything(PRIVATE, [some, token()]))
        self.assertFalse(self.grants.everything(PRIVATE, [some]))

    def test_expiry(self) -> None:
        """It holds until its end and the clocks' difference, also where it is remembered."""
        mine = token()
        self.now += 60 + LEEWAY - 1
        self.assertEqual(self.outcome(mine), "")
        self.now += 2
        self.assertEqual(self.outcome(mine), "bad-token")

    def test_not_yet(self) -> None:
        """One that says from when on (``nbf``) holds from then on, less the clocks' difference."""
        mine = token(nbf=NOW + LEEWAY + 10, exp=NOW + 600)
        self.assertEqual(self.outcome(mine), "bad-token")
        self.now += 10
        self.assertEqual(self.outcome(mine), "")
        self.assertEqual(self.outcome(token(nbf="soon")), "bad-token")

    def test_not_genuine(self) -> None:
        """Of another site, by another secret or algorithm, without end, malformed, or beyond the bounds."""
        good = token()
        for bad in (
            token("another secret of the site that is long"), token(aud="site:2"), token(aud=None), token(exp=None),
            token(exp="soon"), token(algorithm="HS512"), unsigned({"aud": "site:1", "exp": NOW + 60}),
            good[:-2], good + "A" * 3000, "", "a.b.c", "\xff", token(channels="members"), token(channels=[1]),
            token(channels=["x"] * (MOST_CHANNELS + 1)), token(channels=["\ud800"]), token(name=7),
            token(channels={"members": 1}),
        ):  # fmt: skip
            self.assertEqual(self.outcome(bad), "bad-token", bad)
        self.assertEqual(self.outcome(good, site=OTHER), "bad-token")
        self.assertEqual(self.outcome(*["x"] * MOST_TOKENS, good), "bad-token")

    def test_weak_secret(self) -> None:
        """Where the site has no secret, or a short one, nobody gets in."""
        for secret in ("", "x" * 31):
            site = Site(1, "one", SiteSettings(private=True, channel_secret=secret))
            made = jwt.api_jws.encode(json.dumps({"aud": "site:1", "exp": NOW + 60}).encode(), secret or "x", "HS256")
            self.assertEqual(self.outcome(made, site=site), "bad-token")

    def test_changed_secret(self) -> None:
        """A new secret ends what the old one signed."""
        mine = token()
        self.assertEqual(self.outcome(mine), "")
        site = Site(1, "one", SiteSettings(private=True, channel_secret="b" * 32))
        self.assertEqual(self.outcome(mine, site=site), "bad-token")

    def test_names(self) -> None:
        """The name of the grant that covers the channel, on public sites too; nothing unprintable, not too long."""
        both = [token(channels=["guests"], name="Guest"), token(name="Ann\n\u202e" + "n" * 100)]
        self.assertEqual(self.grants.name(PUBLIC, both, GUESTS), "Guest")
        self.assertEqual(self.grants.name(PUBLIC, both, MEMBERS), "Ann" + "n" * 61)
        self.assertEqual(self.grants.name(PUBLIC, [token()], MEMBERS), "")
        self.assertEqual(self.grants.name(PUBLIC, (), MEMBERS), "")
        self.now += 200
        self.assertEqual(self.grants.name(PUBLIC, both, GUESTS), "")

    def test_bounded(self) -> None:
        """Rubbish is not remembered, and of what is genuine only so much."""
        for number in range(50):
            self.outcome(f"x{number}")
        self.assertEqual(len(self.grants._known), 0)
        self.grants._known.update({(9, "", str(n)): None for n in range(KNOWN)})  # type: ignore[misc]
        self.outcome(token())
        self.assertEqual(len(self.grants._known), KNOWN)

    @given(st.text(max_size=300))
    def test_anything(self, text: str) -> None:
        """No text is an error, and none is a grant."""
        grants = Grants(lambda: NOW, ["comments"])
        self.assertEqual(grants.read(PRIVATE, [text]), [])
