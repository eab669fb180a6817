"""Signing in with a provider, from the page's first step to its session, against a real one on this machine."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from tests.api.common import ORIGIN, Answer
from tests.identity.signing_in import PAGE, SignInCase
from tests.support import provider as local
from tests.support.staff import sign_in
from tests.support.windows import VERIFIER


class WayTests(SignInCase):
    """What works."""

    async def test_popup(self) -> None:
        """The page gets a code by a message to its very origin, and a session for it, once."""
        guest = (await self.enter()).json()
        await self.post(f"Bearer {guest['token']}", "before", name="Guest")
        last = await self.there_and_back()
        page = last.body.decode()
        self.assertIn(f'data-origin="{ORIGIN}"', page)
        self.assertIn("postMessage", page)
        self.assertNotIn("'unsafe-inline'", last.headers["content-security-policy"])
        code = self.code_in(last)
        mine = (await self.enter(old=guest["token"], code=code, verifier=VERIFIER)).json()
        self.assertEqual((mine["visitor"], mine["level"]), (guest["visitor"], "signed-in"))
        me = mine["person"]
        self.assertEqual((me["name"], me["email"], me["email_verified"]), ("Olga", "olga@people.example", True))
        await self.refused("bad-code", 401, await self.enter(code=code, verifier=VERIFIER))
        # From another browser it is the same person.
        again = (await self.enter(code=self.code_in(await self.there_and_back()), verifier=VERIFIER)).json()
        self.assertEqual(again["visitor"], mine["visitor"])

    async def test_on_a_phone(self) -> None:
        """Without a window of its own: back to the page, with the code behind the #."""
        last = await self.there_and_back(mode="redirect")
        self.assertEqual(last.status, 303)
        page, _, code = last.headers["location"].partition("#cackle-signin=")
        self.assertEqual(page, PAGE.partition("#")[0])
        self.assertEqual((await self.enter(code=code, verifier=VERIFIER)).status, 201)

    async def test_presets(self) -> None:
        """Each of the others by its own profile; a verified address makes them one person, others don't."""
        base = self.provider.url
        for kind, preset in list(self.ways.presets.items()):
            token = preset.token if "://" not in preset.token else "/v19.0/oauth/access_token"
            self.ways.presets[kind] = type(preset)(
                base=base, api=f"{base}/api/v3" if kind == "github" else base, authorize=preset.authorize,
                token=base + token, scope=preset.scope, profile=preset.profile,
            )  # fmt: skip
        people = {}
        for kind in ("acme", "github", "facebook", "yandex", "vk"):
            if kind != "acme":
                await self.add(kind, kind)
            answer = await self.enter(code=self.code_in(await self.there_and_back(kind)), verifier=VERIFIER)
            people[kind] = answer.json()
        self.assertEqual(people["github"]["visitor"], people["acme"]["visitor"])
        self.assertEqual(people["yandex"]["visitor"], people["acme"]["visitor"])
        self.assertEqual(len({one["visitor"] for one in people.values()}), 3)
        self.assertEqual(people["vk"]["person"]["name"], "Olga P.")
        self.assertFalse(people["facebook"]["person"]["email_verified"])

    async def test_mastodon(self) -> None:
        """An instance of the owner's; we register there once."""
        await self.add("fedi", "mastodon", issuer=self.provider.url)
        for _ in range(2):
            answer = await self.enter(code=self.code_in(await self.there_and_back("fedi")), verifier=VERIFIER)
            self.assertEqual(answer.json()["person"]["name"], "Olga")
        self.assertEqual(self.provider.asked.count("/api/v1/apps"), 1)
        # One that is named by who signs in has to be a public server.
        await self.add("any", "mastodon")
        asked = await self.visit(self.start("any"))
        self.assertIn('name="instance"', asked.body.decode())
        for name in ("127.0.0.1", "x", "localhost", "a b.example", "[::1]"):
            wrong = await self.visit(self.start("any", instance=name))
            self.assertEqual(wrong.status, 200, name)
            self.assertIn('role="alert"', wrong.body.decode())

    async def test_thin_token(self) -> None:
        """What the ID token does not say is asked for; whether it is the same person is checked."""
        self.provider.faults = {"thin"}
        mine = await self.enter(code=self.code_in(await self.there_and_back()), verifier=VERIFIER)
        self.assertEqual(mine.json()["person"]["name"], "Olga")
        self.provider.faults = {"thin", "other"}
        self.told(await self.there_and_back(), 502, "The provider’s answer does not hold")

    async def test_listed(self) -> None:
        """Visitors are told names and kinds; nothing else, and nothing where it is switched off."""
        ways = (await self.ask("GET", "/api/v1/sites/1/sign-in", origin=ORIGIN)).json()
        self.assertEqual(ways, {"ways": [{"name": "acme", "kind": "oidc", "label": "OpenID"}]})
        self.assertEqual((await self.ask("GET", "/api/v1/sites/2/sign-in")).json(), {"ways": []})
        self.assertTrue((await self.bootstrap()).json()["site"]["settings"]["signIn"])
        rows = self.sql("select secret, encode(secret, 'escape') from sign_in_provider")
        self.assertNotIn("secret:", rows[0][1])


class OwnerTests(SignInCase):
    """Ways to sign in, as owners set them up."""

    async def test_set_up(self) -> None:
        """They are set up, changed without telling the secret again, and taken away; each is in the site's log."""
        owner = await sign_in(self, "owner")
        path = "/api/v1/sites/1/sign-in/providers"
        body = {"kind": "oidc", "label": "Second", "issuer": "https://id.example", "clientId": "c", "secret": "hush"}
        made = await owner.change("PUT", f"{path}/second", body)
        self.assertEqual(made.status, 200, made)
        one = next(one for one in made.json()["providers"] if one["name"] == "second")
        self.assertTrue(one["hasSecret"] and one["redirect"].endswith("/auth/1/second/callback"))
        self.assertNotIn("hush", made.body.decode())
        # What is to be new has a name that is taken.
        again = await owner.ask("PUT", f"{path}/second", body, if_match='"0"')
        self.assertEqual((again.status, again.slug), (412, "outdated"))
        self.assertIn("name is taken", again.json()["detail"])
        late = await owner.ask("PUT", f"{path}/second", body, if_match='"7"')
        self.assertEqual((late.status, "meanwhile" in late.json()["detail"]), (412, True))
        await owner.change("PUT", f"{path}/second", {"kind": "oidc", "issuer": "https://id.example", "clientId": "d"})
        provider = await self.ways.providers(self.site).find("second")
        self.assertEqual((provider.client_id, await self.ways.providers(self.site).secret(provider)), ("d", "hush"))
        self.assertNotIn("hush", str(self.sql("select * from audit")))
        for name, wrong in (
            ("UPPER", body), ("x" * 40, body), ("callback", body), ("a", {**body, "issuer": ""}),
            ("a", {**body, "clientId": ""}), ("a", {**body, "kind": "myspace"}),
            ("a", {**body, "issuer": "javascript:x"}),
        ):  # fmt: skip
            answer = await owner.change("PUT", f"{path}/{name}", wrong)
            self.assertEqual((answer.status, answer.slug), (400, "bad-field"), (name, answer))
        self.assertEqual((await owner.ask("DELETE", f"{path}/second")).status, 204)
        self.assertEqual((await owner.ask("DELETE", f"{path}/second")).status, 404)
        # What was refused is the owner's to read.
        await self.enter(sso="a.b.c")
        found = (await owner.ask("GET", "/api/v1/sites/1/sso/refusals")).json()["refusals"]
        self.assertEqual([(one["form"], one["reason"], one["count"]) for one in found], [("jwt", "bad-signature", 1)])


class TroubleTests(SignInCase):
    """What does not."""

    async def test_where_to(self) -> None:
        """A code goes to pages of the site alone."""
        for page in ("https://two.example/x", "https://one.example.evil.example/", "javascript:alert(1)", "/x", "",
                     "https://one.example@evil.example/", "https://evil.example\\@one.example/", "data:text/html,x",
                     "https://ONE.example:444/"):  # fmt: skip
            answer = await self.visit(self.start(**{"return": page}))
            self.told(answer, 403, "That page does not belong to this site")
            self.assertNotIn("href", answer.body.decode())
        self.told(await self.visit(self.start(challenge="short")), 403, "That page does not belong")
        self.told(await self.visit(self.start("nobody")), 404, "no such way")
        self.assertEqual((await self.visit(self.start(site=9))).status, 404)
        # The other site's provider is none of this one's.
        self.told(await self.visit(self.start(site=2, **{"return": "https://two.example/"})), 404, "no such way")

    async def test_state(self) -> None:
        """What comes back is taken from the browser that went, once, and for the site and way it went to."""
        await self.add("other", "oidc", issuer=self.provider.url)
        await self.add("acme", "oidc", site=2, issuer=self.provider.url)
        first = await self.visit(self.start())
        back = await self.out(first.headers["location"])
        for address, cookie in (
            (back, ""), (back, "cackled-local-visit=another"), (back.replace("/acme/", "/other/"), self.cookie),
            (back.replace("/auth/1/", "/auth/2/"), self.cookie), (re.sub("state=[^&]*", "state=x", back), self.cookie),
            (re.sub("&?state=[^&]*", "", back), self.cookie),
        ):  # fmt: skip
            first = await self.visit(self.start())
            fresh = await self.out(first.headers["location"])
            state = parse_qs(urlsplit(fresh).query)["state"][0]
            tried = re.sub("state=(?!x)[^&]*", f"state={state}", address)
            self.told(await self.visit(tried, cookie=cookie), 410, "That took too long, or was used before")
        first = await self.visit(self.start())
        back = await self.out(first.headers["location"])
        self.code_in(await self.visit(back))
        self.told(await self.visit(back), 410, "used before")

    async def test_stolen_code(self) -> None:
        """A code is good with the verifier of the page that began, on its site; one try is all it has."""
        for site, verifier in ((1, "w" * 43), (2, VERIFIER), (1, "")):
            code = self.code_in(await self.there_and_back())
            await self.refused("bad-code", 401, await self.enter(site, code=code, verifier=verifier))
            if site == 1:
                await self.refused("bad-code", 401, await self.enter(code=code, verifier=VERIFIER))

    async def test_bad_tokens(self) -> None:
        """An ID token of another issuer, key, request or time makes nobody."""
        for fault in ("issuer", "key", "nonce", "old"):
            self.provider.faults = {fault}
            self.told(await self.there_and_back(), 502, "The provider’s answer does not hold")
        self.assertEqual(self.sql("select count(*) from person"), [(0,)])

    async def test_down(self) -> None:
        """A provider that does not answer, or says no, or is another: words that say what to do, and a way back."""
        self.provider.faults = {"deny"}
        answer = await self.there_and_back()
        self.told(answer, 403, "said no")
        self.assertIn(f'href="{PAGE}"', answer.body.decode())
        self.provider.faults = set()
        first = await self.visit(self.start())
        back = await self.out(first.headers["location"])
        self.provider.faults = {"down"}
        answer = await self.visit(back)
        self.told(answer, 503, "does not answer right now")
        self.assertIn(f'href="{PAGE}"', answer.body.decode())
        await self.add("fresh", "oidc", issuer=f"http://127.0.0.1:{self.provider.port}/")
        # Kept from before; a new process would have to ask.
        self.ways._issuers._kept.clear()
        self.told(await self.visit(self.start()), 503, "does not answer right now")
        self.provider.faults = {"config"}
        self.told(await self.visit(self.start()), 502, "The provider’s answer does not hold")
        await self.add("inside", "oidc", issuer="http://10.0.0.1")
        self.told(await self.visit(self.start("inside")), 502, "The provider’s answer does not hold")

    async def test_languages(self) -> None:
        """The words are the visitor's."""
        answer = await self.visit(self.start("nobody"), accept_language="de-AT,de;q=0.9")
        self.assertIn("keine solche Anmeldung", answer.body.decode())
        answer = await self.visit(self.start("nobody", lang="ar"))
        self.assertIn('dir="rtl"', answer.body.decode())

    async def test_nonsense(self) -> None:
        """Whatever is asked for, the answer is a page or a problem, and nothing breaks."""
        for path in ("/auth", "/auth/1", "/auth/1/", "/auth/x/acme", "/auth/1/acme/x", "/auth/1/acme/callback/x",
                     "/auth/1/%00/callback", "/auth/1/acme/callback?state=%ff&code=%00", "/auth/1/acme?return=%ff",
                     f"/auth/1/acme/callback?state={'x' * 5000}", "/auth/1/acme/send"):  # fmt: skip
            answer = await self.visit(path)
            self.assertIn(answer.status, (400, 403, 404, 410, 414), (path, answer))
        self.assertEqual((await self.visit("/auth/1/acme", {"x": "y"})).status, 404)
        self.assertEqual(self.flushLoggedErrors(), [])


class TelegramTests(SignInCase):
    """Telegram's answer comes behind the #, and is signed with the bot's token."""

    async def test_there_and_back(self) -> None:
        """A right answer is somebody; a wrong hash, an old one and nothing are nobody."""
        import json
        from base64 import b64encode
        from hashlib import sha256
        from hmac import new
        from time import time

        await self.add("tg", "telegram")

        def result(token: str = local.SECRET, at: float = 0, **more: Any) -> str:
            said = {"id": 42, "first_name": "Tim", "auth_date": int(at or time()), **more}
            lines = "\n".join(sorted(f"{name}={value}" for name, value in said.items()))
            mark = new(sha256(token.encode()).digest(), lines.encode(), sha256).hexdigest()
            return b64encode(json.dumps({**said, "hash": mark}).encode()).decode()

        async def come(answer: str) -> Answer:
            first = await self.visit(self.start("tg"))
            self.assertTrue(first.headers["location"].startswith("https://oauth.telegram.org/auth?"), first)
            back = parse_qs(urlsplit(first.headers["location"]).query)["return_to"][0]
            form = await self.visit(back)
            state = re.search(r'name="state" value="([^"]*)"', form.body.decode())
            assert state is not None
            return await self.visit("/auth/1/tg/callback", {"state": state[1], "tgAuthResult": answer})

        mine = await self.enter(code=self.code_in(await come(result())), verifier=VERIFIER)
        self.assertEqual(mine.json()["person"]["name"], "Tim")
        self.told(await come(result("another")), 502, "does not hold")
        self.told(await come(result(at=time() - 5_000)), 410, "too long")
        for nothing in ("false", "", "ZmFsc2U=", "%%%", quote("[[")):
            self.assertIn((await come(nothing)).status, (403, 502))


class CommentoTests(SignInCase):
    """Commento's way: the site's own server answers."""

    settings = {"identity.sign_in": True, "identity.commento_url": "https://one.example/sso?x=1",
                "identity.commento_secret": "00" * 31 + "01"}  # fmt: skip

    async def test_there_and_back(self) -> None:
        """The token is asked and answered once, by the browser that went."""
        import hmac as signing
        import json

        await self.add("site", "commento")
        secret = bytes.fromhex("00" * 31 + "01")

        def answer(token: str, key: bytes = secret) -> str:
            raw = json.dumps({"token": token, "email": "Cem@one.example", "name": "Cem"}).encode()
            return f"/auth/1/site/callback?payload={raw.hex()}&hmac={signing.new(key, raw, 'sha256').hexdigest()}"

        async def token() -> str:
            first = await self.visit(self.start("site"))
            asked = parse_qs(urlsplit(first.headers["location"]).query)
            made = asked["token"][0]
            self.assertEqual(asked["hmac"], [signing.new(secret, bytes.fromhex(made), "sha256").hexdigest()])
            self.assertEqual(asked["x"], ["1"])
            return made

        # Where servers that were made for Commento answer: no site is named there.
        old = answer(await token()).replace("/auth/1/site/callback", "/api/oauth/sso/callback")
        led = await self.visit(old)
        self.assertEqual((led.status, led.headers["location"].partition("?")[0]), (302, "/auth/1/site/callback"))
        mine = await self.enter(code=self.code_in(await self.visit(led.headers["location"])), verifier=VERIFIER)
        self.assertEqual(mine.json()["person"]["name"], "Cem")
        self.told(await self.visit(led.headers["location"]), 410, "used before")
        many = {f"field{number}": "x" for number in range(40)}
        for path in ("/auth/1/site/callback", "/auth/1/site", "/auth/1/site/send", "/auth/1/nobody/x"):
            self.told(await self.visit(path, many), 400, "can’t be read")
        for payload, status in (("", 400), ("zz", 400), ("7b7d", 400), (b'{"token":"0000004d00"}'.hex(), 404),
                                (b'{"token":"00000002aa"}'.hex(), 404), (b'{"token":[1]}'.hex(), 400)):  # fmt: skip
            found = await self.visit(f"/api/oauth/sso/callback?payload={payload}&hmac=00")
            self.assertEqual(found.status, status, payload)
        self.told(await self.visit("/auth/1/site/callback?payload=zz&hmac=00"), 400, "can’t be read")

        one = await token()
        mine = await self.enter(code=self.code_in(await self.visit(answer(one))), verifier=VERIFIER)
        self.assertEqual((mine.json()["level"], mine.json()["person"]["name"]), ("site", "Cem"))
        self.told(await self.visit(answer(one)), 410, "used before")
        self.told(await self.visit(answer(await token()), cookie="cackled-local-visit=x"), 410, "used before")
        self.told(await self.visit(answer(await token(), b"x")), 502, "does not hold")
        self.told(await self.visit(answer("ab" * 32)), 410, "used before")
