"""Signing in and out over the API, and what a call of staff takes."""

from __future__ import annotations

from typing import Any

from cackled.accounts.sessions import AccountSessions
from cackled.accounts.signin import SignIn
from tests.api.common import Answer, ApiCase
from tests.support.staff import COOKIE, OWN, PASSWORD, StaffClient, make_account, sign_in, site_key


def cookies(answer: Answer) -> dict[str, str]:
    """The cookies that an answer sets."""
    found = {}
    for line in answer.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            found[key] = rest.partition(";")[0]
    return found


class SignInCase(ApiCase):
    """With an owner of site 1 who has a password."""

    toml = ""

    async def setUp(self) -> None:
        await super().setUp()
        self.ann = await make_account(self, "owner", email="Ann@one.example", name="Ann", password=True)

    async def login(self, email: str = "ann@one.example", password: str = PASSWORD, **headers: Any) -> Answer:
        """Sign in as a page of ours does."""
        body = {"email": email, "password": password}
        return await self.ask("POST", "/api/v1/auth/login", body, **{**OWN, **headers})


class SignInTests(SignInCase):
    """The cookie."""

    async def test_in_and_out(self) -> None:
        """The cookie is for us alone; with it one is known, and after signing out no more."""
        answer = await self.login()
        self.assertEqual(answer.status, 200, answer)
        self.assertIn("HttpOnly; SameSite=Lax", answer.headers["set-cookie"])
        self.assertNotIn("Secure", answer.headers["set-cookie"])
        self.assertEqual(answer.headers["cache-control"], "no-store")
        token = cookies(answer)[COOKIE]
        who = {**OWN, "cookie": f"{COOKIE}={token}"}
        me = (await self.ask("GET", "/api/v1/auth/me", **who)).json()
        self.assertEqual(
            me["account"], {"id": str(self.ann), "email": "Ann@one.example", "name": "Ann", "picture": ""}
        )
        self.assertEqual(me["sites"], [{"site": 1, "name": "One", "role": "owner", "sections": [], "logo": ""}])
        self.assertNotIn(token, str(self.sql("select * from catalog.account_session")))
        gone = await self.ask("POST", "/api/v1/auth/logout", **who)
        self.assertEqual((gone.status, cookies(gone)[COOKIE]), (204, ""))
        self.assertEqual((await self.ask("GET", "/api/v1/auth/me", **who)).slug, "signed-out")

    async def test_rotation(self) -> None:
        """Signing in ends the session that the browser brought, and gives another: none can be planted."""
        first = cookies(await self.login())[COOKIE]
        second = cookies(await self.login(cookie=f"{COOKIE}={first}"))[COOKIE]
        self.assertNotEqual(first, second)
        for token, status in ((first, 401), (second, 200), ("planted", 401)):
            answer = await self.ask("GET", "/api/v1/auth/me", cookie=f"{COOKIE}={token}")
            self.assertEqual(answer.status, status)

    async def test_alike(self) -> None:
        """A wrong password, an account without one, and no account: the same answer for the same work."""
        await make_account(self, "owner", email="new@one.example")
        passwords = self.application.shared[SignIn].passwords
        await passwords.verify(None, "")
        seen = set()
        for email in ("ann@one.example", "new@one.example", "nobody@one.example", "no address", ""):
            before = passwords.work
            answer = await self.login(email, "wrong password")
            seen.add((answer.status, answer.body, passwords.work - before))
        self.assertEqual(len(seen), 1, seen)
        self.assertEqual(answer.slug, "wrong-password")

    async def test_bad_input(self) -> None:
        """Whatever is sent, there is an answer that says what is wrong."""
        for body, slug in (
            (b"{", "bad-json"), ({}, "bad-field"), ({"email": 1, "password": "x"}, "bad-field"),
            ({"email": "a\x00b@c.d", "password": "\x00"}, "wrong-password"),
            ({"email": "x" * 300, "password": "x"}, "bad-field"),
            ({"email": "a@b.c", "password": "x" * 2000}, "bad-field"),
            (b'{"email":"\\ud800@x.y","password":"x"}', "bad-json"),
        ):  # fmt: skip
            answer = await self.ask("POST", "/api/v1/auth/login", body, **OWN)
            self.assertEqual(answer.slug, slug, body)

    async def test_insecure(self) -> None:
        """Over plain http nobody signs in, but on this machine itself."""
        answer = await self.login(host="one.example:8080", origin="http://one.example:8080")
        self.assertEqual(answer.slug, "insecure")


class OwnPageTests(SignInCase):
    """Only pages of our own origin."""

    async def test_forgery(self) -> None:
        """A page of another origin changes nothing, whatever a browser sends along; nor does a form."""
        ann = await sign_in(self, "owner")
        for headers in (
            {"origin": "https://one.example"}, {"origin": "http://localhost:1"}, {"origin": "https://localhost"},
            {"origin": "null"}, {"origin": None}, {"x_cackled_panel": None}, {"sec_fetch_site": "same-site"},
            {"sec_fetch_site": "cross-site"}, {"origin": "http://localhost.evil.example"},
        ):  # fmt: skip
            answer = await ann.ask("POST", "/api/v1/auth/logout", **headers)
            self.assertEqual(answer.slug, "own-origin", headers)
            self.assertNotIn("access-control-allow-origin", answer.headers)
        self.assertEqual((await ann.ask("GET", "/api/v1/auth/me")).status, 200)
        for headers in ({"origin": "https://one.example"}, {"sec_fetch_site": "cross-site"}):
            self.assertEqual((await ann.ask("GET", "/api/v1/auth/me", **headers)).slug, "own-origin")

    async def test_no_cors(self) -> None:
        """Answers to staff may be read by no page of a site, and the header that is needed is not allowed there."""
        ann = await sign_in(self, "owner")
        answer = await ann.ask("GET", "/api/v1/auth/me")
        self.assertNotIn("access-control-allow-origin", answer.headers)
        answer = await self.ask("OPTIONS", "/api/v1/auth/login", origin="https://one.example")
        self.assertNotIn("x-cackled-panel", answer.headers.get("access-control-allow-headers", ""))
        self.assertNotIn("access-control-allow-origin", answer.headers)

    async def test_keys(self) -> None:
        """A key is not for what is an account's own, and a strange one is refused."""
        key = await site_key(self, ["read", "moderate"])
        self.assertEqual((await key.ask("GET", "/api/v1/auth/me")).slug, "bad-key")
        strange = StaffClient(self, 0, "", {"authorization": "Bearer cackled_1_nonsense"})
        self.assertEqual((await strange.ask("GET", "/api/v1/auth/me")).slug, "bad-key")


class ThrottleTests(SignInCase):
    """Tries."""

    async def test_stranger(self) -> None:
        """Who guesses is stopped, by account from wherever; the owner's own browser goes on."""
        known = cookies(await self.login())["cackled-local-known"]
        slugs = [(await self.login(password=f"guess {n}")).slug for n in range(12)]
        self.assertEqual((slugs[0], slugs[-1]), ("wrong-password", "too-fast"))
        self.assertEqual((await self.login()).slug, "too-fast")
        self.assertEqual((await self.login(cookie=f"cackled-local-known={known}")).status, 200)
        # A name that no account has is stopped alike.
        slugs = [(await self.login("nobody@one.example", "guess")).slug for n in range(12)]
        self.assertEqual((slugs[0], slugs[-1]), ("wrong-password", "too-fast"))

    async def test_shared_address(self) -> None:
        """A stranger behind the owner's own address (one office) stops nobody whose browser is known."""
        known = cookies(await self.login())["cackled-local-known"]
        slugs = [(await self.login(f"n{n}@one.example", "guess")).slug for n in range(32)]
        self.assertEqual((slugs[0], slugs[-1]), ("wrong-password", "too-fast"))
        self.assertEqual((await self.login("new@one.example")).slug, "too-fast")
        mine = {"cookie": f"cackled-local-known={known}"}
        self.assertEqual((await self.login(**mine)).status, 200)
        # Guessing with a mark that was taken is bounded too.
        slugs = [(await self.login(password="guess", **mine)).slug for n in range(22)]
        self.assertEqual((slugs[0], slugs[-1]), ("wrong-password", "too-fast"))

    async def test_mark_of_another(self) -> None:
        """The mark of one account does not help with another."""
        await make_account(self, "owner", email="eve@one.example", password=True)
        mark = cookies(await self.login("eve@one.example"))["cackled-local-known"]
        slugs = [(await self.login(password="x", cookie=f"cackled-local-known={mark}")).slug for n in range(12)]
        self.assertEqual(slugs[-1], "too-fast")


class SessionTests(SignInCase):
    """Sessions run out."""

    async def test_ends(self) -> None:
        """One that is old, or was not used for long, is none."""
        for column in ("expires_at = now() - interval '1 s'", "seen_at = now() - interval '15 days'"):
            one = await sign_in(self, "owner")
            self.assertEqual((await one.ask("GET", "/api/v1/auth/me")).status, 200)
            self.sql(f"update catalog.account_session set {column}")
            self.assertEqual((await one.ask("GET", "/api/v1/auth/me")).slug, "signed-out")

    async def test_bounded(self) -> None:
        """An account has so many sessions at most; the one unused for longest goes."""
        sessions = self.application.shared[AccountSessions]
        for _ in range(55):
            await sessions.open(self.ann, "", "", "password")
        self.assertEqual(len(await sessions.listed(self.ann)), 50)
