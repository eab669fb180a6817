"""Sessions by the word of a site's server, over the API: its forms, replays, and what owner and visitor are told."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from time import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.api.common import ORIGIN
from tests.identity.common import SECRET, IdentityCase, statement

ANN = {"id": "u1", "username": "Ann", "name": "Ann", "email": "ann@x.example"}


def packed(value: Any) -> str:
    """JSON in base64."""
    return b64encode(json.dumps(value).encode()).decode()


def fastcomments(value: Any = ANN, secret: str = "fc", at: float | None = None) -> dict[str, Any]:
    """FastComments' object."""
    stamp, data = int((time() if at is None else at) * 1000), packed(value)
    mark = hmac.new(secret.encode(), f"{stamp}{data}".encode(), "sha256").hexdigest()
    return {"userDataJSONBase64": data, "verificationHash": mark, "timestamp": stamp, "loginURL": "/login"}


def disqus(value: Any = ANN, secret: str = "fc") -> str:
    """Disqus' words."""
    stamp, data = int(time()), packed(value)
    return f"{data} {hmac.new(secret.encode(), f'{data} {stamp}'.encode(), 'sha1').hexdigest()} {stamp}"


def cackle(value: Any = ANN, key: str = "ck", at: int | None = None) -> str:
    """Cackle's words."""
    stamp, data = int(time()) if at is None else at, packed(value)
    return f"{data} {hashlib.md5(f'{data}{key}{stamp}'.encode()).hexdigest()} {stamp}"


class FormTests(IdentityCase):
    """Whichever form the site's server has, its visitor is the same person."""

    settings = {"identity.sso_secret": "fc", "identity.cackle_secret": "ck", "identity.cackle_sso": True}

    async def test_forms(self) -> None:
        """Each form, in the place where its pages put it; the numbers agree, as the person is one."""
        forms: tuple[dict[str, Any], ...] = (
            {"sso": statement()}, {"sso": fastcomments()}, {"remote_auth_s3": disqus()}, {"ssoAuth": cackle()},
            {"ssoAuth": cackle(at=int(time() * 1000))},
        )  # fmt: skip
        visitors = set()
        for form in forms:
            answer = await self.enter(**form)
            self.assertEqual((answer.status, answer.json()["level"]), (201, "site"), (form, answer))
            self.assertEqual(answer.json()["person"]["name"], "Ann")
            visitors.add(answer.json()["visitor"])
        self.assertEqual(len(visitors), 1)

    async def test_public_key(self) -> None:
        """A statement signed with the site's Ed25519 key; the old secret holds beside the new one."""
        private = Ed25519PrivateKey.generate()
        await self.application.sites.change(1, "channel_public_key", private.public_key().public_bytes_raw().hex())
        now = int(time())
        claims = {"aud": "site:1", "sub": "u9", "name": "Nine", "exp": now + 60}
        answer = await self.enter(sso=jwt.encode(claims, private, "EdDSA"))
        self.assertEqual(answer.json()["person"]["name"], "Nine")
        await self.application.sites.change(1, "channel_old_secret", SECRET)
        await self.application.sites.change(1, "channel_secret", "another secret that is long enough too")
        self.assertEqual((await self.enter(sso=statement())).status, 201)

    async def test_refused(self) -> None:
        """What does not hold is refused, and the owner finds the reason; nobody else's key is told anything."""
        two = statement(site=2)
        for form, reason in (
            ({"sso": statement(secret="x" * 40)}, "bad-signature"), ({"sso": two}, "wrong-audience"),
            ({"sso": statement(exp=int(time()) - 100)}, "expired"),
            ({"sso": statement(iat=int(time()) + 300, exp=int(time()) + 600)}, "from-the-future"),
            ({"sso": statement(name="\u200b")}, "missing-claim"), ({"sso": fastcomments(secret="no")}, "bad-signature"),
            ({"sso": fastcomments(at=time() - 3 * 86_400)}, "expired"), ({"sso": "x" * 20_000}, "too-long"),
            ({"remote_auth_s3": disqus(secret="no")}, "bad-signature"),
            ({"ssoAuth": cackle(key="no")}, "bad-signature"),
            ({"ssoAuth": cackle(at=int(time()) - 4_000)}, "expired"), ({"ssoAuth": "a b"}, "malformed"),
        ):  # fmt: skip
            await self.refused("bad-statement", 401, await self.enter(**form), reason)
        for form in ({"sso": 5}, {"sso": {"timestamp": 1}}, {"sso": ["x"]}):
            await self.refused("bad-field", 400, await self.enter(**form))
        await self.application.sites.change(1, "identity.cackle_sso", False)
        await self.refused("bad-statement", 401, await self.enter(ssoAuth=cackle()), "not-configured")
        kept = self.sql("select form, reason, site_id from sso_refusal order by 1, 2")
        self.assertIn(("jwt", "wrong-audience", 1), kept)
        self.assertIn(("cackle", "not-configured", 1), kept)
        self.assertEqual({site for _, _, site in kept}, {1})
        self.assertEqual(len(kept), 13)

    async def test_nested(self) -> None:
        """A token whose head is nested deeply is a bad one, not an error of ours."""
        head = b64encode(b"[" * 6_000).decode().rstrip("=")
        await self.refused("bad-statement", 401, await self.enter(sso=f"{head}.e30.x"), "bad-signature")
        await self.refused("bad-token", 401, await self.ask(
            "GET", "/api/v1/sites/1/me", authorization=f"Bearer {head[:2900]}.e30.x"))

    async def test_nobody(self) -> None:
        """The site says that nobody is signed in: who came by its word is a guest again, and another one."""
        mine = await self.signed_in()
        for said in ({"sso": None}, {"remote_auth_s3": disqus({})}, {"ssoAuth": cackle([])}, {"sso": fastcomments({})}):
            answer = await self.enter(old=mine["token"], **said)
            self.assertEqual(set(answer.json()), {"token", "visitor", "view", "expires"})
            self.assertNotEqual(answer.json()["visitor"], mine["visitor"])
        # Who says nothing about it goes on.
        again = await self.enter(old=mine["token"])
        self.assertEqual((again.json()["visitor"], again.json()["level"]), (mine["visitor"], "site"))

    async def test_replay(self) -> None:
        """One with a number is good for one browser, which may show it again."""
        token = statement(jti="n1")
        first = (await self.enter(sso=token)).json()
        await self.refused("bad-statement", 401, await self.enter(sso=token), "replayed")
        await self.refused("bad-statement", 401, await self.enter(sso=token, old=(await self.enter()).json()["token"]),
                           "replayed")  # fmt: skip
        self.assertEqual((await self.enter(sso=token, old=first["token"])).json()["visitor"], first["visitor"])


class PersonTests(IdentityCase):
    """What somebody who signed in sees and changes."""

    async def test_guest_becomes(self) -> None:
        """The guest's comment is the person's; the guest's token writes no more."""
        guest = (await self.enter()).json()
        bearer = f"Bearer {guest['token']}"
        await self.post(bearer, "hello", name="Guest")
        mine = (await self.enter(old=guest["token"], sso=statement())).json()
        self.assertEqual(mine["visitor"], guest["visitor"])
        body = self.comment("more")
        await self.refused("token-expired", 401, await self.ask(
            "POST", "/api/v1/sites/1/comments", body, authorization=bearer, origin=ORIGIN))
        answer = await self.ask("POST", "/api/v1/sites/1/comments", body, authorization=f"Bearer {mine['token']}",
                                origin=ORIGIN)  # fmt: skip
        author = answer.json()["comment"]["author"]
        self.assertEqual((author["name"], author["badges"]), ("Ann", ["verified", "first-week"]))
        # The guest's session is exchanged for that of a new guest, as theirs is the person's now.
        self.assertNotEqual((await self.enter(old=guest["token"])).json()["visitor"], guest["visitor"])

    async def test_me(self) -> None:
        """Who is signed in sees and changes themselves; nobody else does."""
        mine = await self.signed_in(email="ann@x.example", email_verified=True, badges=["gold"], staff="moderator")
        bearer = f"Bearer {mine['token']}"
        me = (await self.ask("GET", "/api/v1/sites/1/me", authorization=bearer)).json()
        self.assertEqual(me, {**mine["person"]})
        self.assertEqual((me["email"], me["badges"]), ("ann@x.example", ["staff", "verified", "first-week", "gold"]))
        path = f"/api/v1/sites/1/visitors/{mine['visitor']}"
        shown = (await self.ask("GET", path)).json()
        self.assertNotIn("email", shown)
        self.assertEqual((shown["name"], shown["comments"]), ("Ann", 0))
        answer = await self.ask("PATCH", "/api/v1/sites/1/me", {"private": True}, authorization=bearer, origin=ORIGIN)
        self.assertTrue(answer.json()["private"])
        self.assertIsNone((await self.ask("GET", path)).json()["comments"])
        guest = f"Bearer {(await self.enter()).json()['token']}"
        for method, body in (("GET", None), ("PATCH", {"private": True})):
            answer = await self.ask(method, "/api/v1/sites/1/me", body, authorization=guest, origin=ORIGIN)
            await self.refused("not-found", 404, answer)
        # A person of this site is nobody on the other, whatever token is shown there.
        self.assertEqual((await self.ask("GET", path.replace("sites/1", "sites/2"))).status, 404)
        answer = await self.ask("GET", "/api/v1/sites/2/me", authorization=bearer)
        await self.refused("bad-token", 401, answer)

    async def test_comments_of_a_person(self) -> None:
        """What somebody wrote, a page at a time; not what stands behind locks, nor what they keep private."""
        mine = await self.signed_in(groups=["gold"])
        bearer = f"Bearer {mine['token']}"
        for number, key in enumerate(("/a", "/vip/b", "/c")):
            await self.post(bearer, f"words {number}", key)
        await self.application.sites.change(1, "locks", "/vip/* read group:gold")
        path = f"/api/v1/sites/1/visitors/{mine['visitor']}/comments"
        found = (await self.ask("GET", path)).json()
        self.assertEqual([one["key"] for one in found["comments"]], ["/c", "/a"])
        self.assertEqual(found["comments"][0]["permalink"].partition("#")[0], "https://one.example/x")
        first = (await self.ask("GET", path + "?size=1")).json()
        rest = (await self.ask("GET", f"{path}?size=2&cursor={first['cursor']}", authorization=bearer)).json()
        self.assertIsNone(rest["cursor"])
        gold = (await self.signed_in(groups=["gold"]))["token"]
        whole = (await self.ask("GET", path, authorization=f"Bearer {gold}")).json()
        self.assertEqual([one["key"] for one in whole["comments"]], ["/c", "/vip/b", "/a"])
        await self.ask("PATCH", "/api/v1/sites/1/me", {"private": True}, authorization=bearer, origin=ORIGIN)
        self.assertEqual((await self.ask("GET", path)).json(), {"comments": [], "cursor": None})
        self.assertEqual(len((await self.ask("GET", path, authorization=bearer)).json()["comments"]), 2)
        self.assertEqual((await self.ask("GET", path.replace("sites/1", "sites/2"))).json()["comments"], [])
        await self.application.sites.change(1, "readers", "sso")
        self.assertEqual((await self.ask("GET", path.removesuffix("/comments"))).status, 401)
        self.assertEqual((await self.ask("GET", path)).json()["comments"], [])

    async def test_sign_out(self) -> None:
        """After it no session is made anew: the next one is a guest's."""
        mine = await self.signed_in()
        answer = await self.ask("POST", "/api/v1/sites/1/me/sign-out", authorization=f"Bearer {mine['token']}",
                                origin=ORIGIN)  # fmt: skip
        self.assertEqual(answer.status, 204)
        self.sql("update person set signed_out_at = now() + interval '2 seconds'")
        again = (await self.enter(old=mine["token"])).json()
        self.assertNotIn("level", again)
        self.assertNotEqual(again["visitor"], mine["visitor"])

    async def test_erased(self) -> None:
        """Nothing is left of somebody who was forgotten."""
        mine = await self.signed_in(email="ann@x.example", avatar="https://x.example/a.png")
        await self.ask("POST", "/api/v1/sites/1/comments", self.comment("secret words"), origin=ORIGIN,
                       authorization=f"Bearer {mine['token']}")  # fmt: skip
        await self.application.erasures.erase(1, int(mine["visitor"]))
        for table in ("person", "person_identity"):
            self.assertEqual(self.sql(f"select count(*) from {table}"), [(0,)], table)
        self.assertEqual(self.sql("select author_name, src, author_extra from comment"), [("", "", "")])
        again = (await self.enter(old=mine["token"])).json()
        self.assertNotEqual(again["visitor"], mine["visitor"])
