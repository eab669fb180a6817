"""Statements signed by a site: the five forms with published vectors, and what is refused with which reason."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.identity import assertion
from cackled.identity.assertion import BadAssertion, Logout, Person

KEY = "k3y"
AT = 1_700_000_000
ANN = {"id": "u1", "username": "Ann", "email": "ann@example.test"}
ANN64 = "eyJpZCI6InUxIiwidXNlcm5hbWUiOiJBbm4iLCJlbWFpbCI6ImFubkBleGFtcGxlLnRlc3QifQ=="
SECRET = "s" * 32


def packed(value: Any) -> str:
    """JSON as base64, written as PHP does."""
    return b64encode(json.dumps(value, separators=(",", ":")).replace("/", "\\/").encode()).decode()


class AssertionCase(SynchronousTestCase):
    """Helpers."""

    def refused(self, reason: str, work: Callable[[], Any]) -> None:
        """*work* is refused for *reason*."""
        error = self.assertRaises(BadAssertion, work)
        self.assertEqual(error.reason, reason, error)
        self.assertTrue(str(error))


class DisqusTests(AssertionCase):
    """``remote_auth_s3``."""

    TEXT = f"{ANN64} 999040ca51b92822bbdd2266a731f2596743817b {AT}"

    def test_vector(self) -> None:
        """The published vector is Ann."""
        person = assertion.verify_disqus(self.TEXT, KEY, AT + 5)
        assert isinstance(person, Person)
        self.assertEqual((person.id, person.name, person.email), ("u1", "Ann", "ann@example.test"))

    def test_refused(self) -> None:
        """Another key, another time, an old one, one of the future, and nonsense."""
        self.refused("bad-signature", lambda: assertion.verify_disqus(self.TEXT, "other", AT))
        self.refused("bad-signature", lambda: assertion.verify_disqus(self.TEXT.replace(str(AT), str(AT + 1)), KEY, AT))
        self.refused("expired", lambda: assertion.verify_disqus(self.TEXT, KEY, AT + 8_000))
        self.refused("from-the-future", lambda: assertion.verify_disqus(self.TEXT, KEY, AT - 61))
        for text in ("", "a b", "a b c d", "é b 1", "x" * 20_000):
            self.assertRaises(BadAssertion, assertion.verify_disqus, text, KEY, AT)

    def test_logout(self) -> None:
        """An empty object, and PHP's empty array, say that nobody is signed in."""
        for text in ("e30=", "W10="):
            mark = hmac.new(KEY.encode(), f"{text} {AT}".encode(), "sha1").hexdigest()
            self.assertEqual(assertion.verify_disqus(f"{text} {mark} {AT}", KEY, AT), Logout("disqus"))


class FastCommentsTests(AssertionCase):
    """Secure SSO."""

    MARK = "d0109593ef3e5d53b82dbc54e24a155e052fc4c0d04813133d390c955c871652"

    def test_vector(self) -> None:
        """The published vector is Ann; a number and a text for the time are the same."""
        for stamp in (AT * 1000, str(AT * 1000)):
            person = assertion.verify_fastcomments(ANN64, self.MARK, stamp, KEY, AT + 60)
            assert isinstance(person, Person)
            self.assertEqual((person.id, person.name, person.staff), ("u1", "Ann", ""))
        late = AT + 2.1 * 86_400
        self.refused("expired", lambda: assertion.verify_fastcomments(ANN64, self.MARK, AT * 1000, KEY, late))
        self.refused("malformed", lambda: assertion.verify_fastcomments(ANN64, self.MARK, True, KEY, AT))
        self.refused("bad-signature", lambda: assertion.verify_fastcomments(ANN64, None, AT * 1000, KEY, AT))  # type: ignore[arg-type]

    def test_members(self) -> None:
        """Groups, staff, display name; what is no address of the web is left out."""
        data = packed({**ANN, "displayName": "Ann  B", "isAdmin": True, "groupIds": ["a", "b", "a"],
                       "avatar": "https://example.test/a.png", "websiteUrl": "javascript:alert(1)"})  # fmt: skip
        mark = hmac.new(KEY.encode(), f"{AT * 1000}{data}".encode(), hashlib.sha256).hexdigest()
        person = assertion.verify_fastcomments(data, mark, AT * 1000, KEY, AT)
        assert isinstance(person, Person)
        self.assertEqual((person.name, person.staff, person.groups), ("Ann B", "admin", ("a", "b")))
        self.assertEqual((person.avatar, person.url), ("https://example.test/a.png", ""))


class CackleTests(AssertionCase):
    """``ssoAuth``."""

    def test_vector(self) -> None:
        """The published vector, in seconds; milliseconds are known by their size."""
        data = packed({"id": "u1", "name": "Ann", "email": "ann@example.test"})
        mark = "0eb0a844db8a95b3a60787c1235e6d58"
        person = assertion.verify_cackle(f"{data} {mark} {AT}", KEY, AT, 300)
        assert isinstance(person, Person)
        self.assertEqual((person.id, person.name), ("u1", "Ann"))
        self.refused("expired", lambda: assertion.verify_cackle(f"{data} {mark} {AT}", KEY, AT + 361, 300))
        late = hashlib.md5(f"{data}{KEY}{AT * 1000}".encode()).hexdigest()
        self.assertIsInstance(assertion.verify_cackle(f"{data} {late} {AT * 1000}", KEY, AT, 300), Person)


class CommentoTests(AssertionCase):
    """Question and answer in hex."""

    def test_vector(self) -> None:
        """The published question, and an answer to it."""
        secret, token = "00" * 31 + "01", "ab" * 32
        self.assertEqual(
            assertion.sign_commento_token(bytes.fromhex(token), secret),
            "5a563a772007b0e856eff05485dfb8e2cc7e710492e1c9615ccef740cac907ea",
        )
        raw = json.dumps({"token": token, "email": "Ann@example.test", "name": "Ann"}).encode()
        mark = hmac.new(bytes.fromhex(secret), raw, hashlib.sha256).hexdigest()
        person = assertion.verify_commento(raw.hex(), mark, secret, token, AT)
        self.assertEqual((person.id, person.email, person.nonce), ("ann@example.test", "Ann@example.test", token))
        self.refused("wrong-token", lambda: assertion.verify_commento(raw.hex(), mark, secret, "cd" * 32, AT))
        self.refused("malformed", lambda: assertion.verify_commento("zz", mark, secret, token, AT))
        self.refused("bad-signature", lambda: assertion.verify_commento(raw.hex(), mark, "00" * 32, token, AT))


class JwtTests(AssertionCase):
    """Our own form."""

    def token(self, key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
        """A token of site 7."""
        given = {"aud": "site:7", "sub": "u1", "name": "Ann", "iat": AT, "exp": AT + 600, **claims}
        return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm)

    def test_holds(self) -> None:
        """Either kind of key; two keys may live at a time."""
        person = assertion.verify_jwt(
            self.token(groups=["a"], badges=["gold"], staff="moderator", jti="n1", channels=["/x"]),
            7, ["o" * 32, SECRET], AT,
        )  # fmt: skip
        self.assertEqual((person.groups, person.badges, person.staff), (("a",), ("gold",), "moderator"))
        self.assertEqual((person.nonce, person.channels, person.expires), ("n1", ("/x",), AT + 600))
        private = Ed25519PrivateKey.generate()
        token = self.token(private, "EdDSA")
        self.assertEqual(assertion.verify_jwt(token, 7, [SECRET, private.public_key()], AT).id, "u1")

    def test_refused(self) -> None:
        """Each fault has its reason."""
        check = assertion.verify_jwt
        self.refused("bad-signature", lambda: check(self.token("o" * 32), 7, [SECRET], AT))
        self.refused("wrong-audience", lambda: check(self.token(), 8, [SECRET], AT))
        self.refused("expired", lambda: check(self.token(), 7, [SECRET], AT + 661))
        self.refused("from-the-future", lambda: check(self.token(iat=AT + 100, exp=AT + 700), 7, [SECRET], AT))
        self.refused("from-the-future", lambda: check(self.token(nbf=AT + 61), 7, [SECRET], AT))
        self.refused("malformed", lambda: check(self.token(nbf="soon"), 7, [SECRET], AT))
        self.assertIsInstance(check(self.token(nbf=AT + 59), 7, [SECRET], AT), Person)
        self.refused("too-long", lambda: check(self.token(exp=AT + 9 * 86_400), 7, [SECRET], AT))
        self.refused("missing-claim", lambda: check(self.token(sub=None), 7, [SECRET], AT))
        self.refused("weak-key", lambda: check(self.token("short"), 7, ["short"], AT))
        for looks_public in ("ssh-rsa " + "A" * 60, "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----"):
            self.refused("bad-signature", lambda key=looks_public: check(self.token("o" * 32), 7, [key], AT))  # type: ignore[misc]
        self.refused("bad-signature", lambda: check(self.token("", "none"), 7, [SECRET], AT))
        self.refused("malformed", lambda: check(self.token(groups="a"), 7, [SECRET], AT))
        self.refused("bad-signature", lambda: check("not.a.token", 7, [SECRET], AT))

    def test_public_key_is_no_secret(self) -> None:
        """A token signed with the public key's text as a shared secret is not taken."""
        private = Ed25519PrivateKey.generate()
        public = private.public_key()
        token = self.token(public.public_bytes_raw().hex())
        self.refused("bad-signature", lambda: assertion.verify_jwt(token, 7, [public], AT))


class ClockTests(AssertionCase):
    """Clocks of sites go wrong: what is said of a minute ahead holds, of later it does not."""

    def test_skew(self) -> None:
        """Each form that has a time, in its own unit."""

        def fastcomments(at: int) -> Callable[[], Any]:
            mark = hmac.new(KEY.encode(), f"{at * 1000}{ANN64}".encode(), hashlib.sha256).hexdigest()
            return lambda: assertion.verify_fastcomments(ANN64, mark, at * 1000, KEY, AT)

        def disqus(at: int) -> Callable[[], Any]:
            mark = hmac.new(KEY.encode(), f"{ANN64} {at}".encode(), "sha1").hexdigest()
            return lambda: assertion.verify_disqus(f"{ANN64} {mark} {at}", KEY, AT)

        def cackle(at: int, unit: int) -> Callable[[], Any]:
            data = packed({"id": "u1", "name": "Ann"})
            mark = hashlib.md5(f"{data}{KEY}{at * unit}".encode()).hexdigest()
            return lambda: assertion.verify_cackle(f"{data} {mark} {at * unit}", KEY, AT, 300)

        for form, window in (
            (fastcomments, 2 * 86_400), (disqus, 7_200), (lambda at: cackle(at, 1), 300),
            (lambda at: cackle(at, 1000), 300),
        ):  # fmt: skip
            for at in (AT + 59, AT, AT - window + 1):
                self.assertEqual(form(at)().id, "u1")
            self.refused("from-the-future", form(AT + 62))
            self.refused("expired", form(AT - window - 62))


class HostileTests(SynchronousTestCase):
    """Whatever comes, the answer is a person or `BadAssertion`."""

    @given(st.dictionaries(st.text(max_size=8), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
    ), max_size=6), st.booleans())  # fmt: skip
    def test_members(self, members: dict[str, Any], named: bool) -> None:
        """Any members, rightly signed."""
        if named:
            members = {**members, "id": "u1"}
        data = b64encode(json.dumps(members).encode()).decode()
        mark = hmac.new(KEY.encode(), f"{data} {AT}".encode(), "sha1").hexdigest()
        try:
            found = assertion.verify_disqus(f"{data} {mark} {AT}", KEY, AT)
        except BadAssertion:
            return
        if isinstance(found, Person):
            self.assertTrue(found.id)
            self.assertLessEqual(len(found.name), assertion.NAME_LENGTH)
