"""Codes of an app, recovery codes, passkeys, sessions: with what an account's owner signs in."""

from __future__ import annotations

import time
from base64 import b32decode
from typing import Any

import pyotp

from cackled.accounts.deleted_accounts import Forgetting
from cackled.accounts.links import AccountLinks
from cackled.accounts.second_factors import Factors
from tests.accounts.test_signin import SignInCase, cookies
from tests.api.common import Answer
from tests.support.authenticator import Authenticator, encoded
from tests.support.staff import COOKIE, OWN, PASSWORD, StaffClient, client_of, make_account, sign_in


class FactorCase(SignInCase):
    """With Ann signed in, and a clock that can be set."""

    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n'

    async def setUp(self) -> None:
        await super().setUp()
        self.me = await client_of(self, self.ann)
        self.now = time.time()
        # The one that signs in, and the one that routes use.
        from cackled.accounts.signin import SignIn

        for factors in (self.application.shared[SignIn].factors, self.application.shared[Factors]):
            factors._wall_time = lambda: self.now

    async def add_app(self) -> tuple[pyotp.TOTP, list[str]]:
        """Set up an app; gives it, and the recovery codes."""
        setup = (await self.me.ask("POST", "/api/v1/auth/totp")).json()
        app = pyotp.TOTP(setup["secret"])
        body = {"token": setup["token"], "secret": setup["secret"], "code": app.at(self.now)}
        made = await self.me.ask("PUT", "/api/v1/auth/totp", body)
        self.assertEqual(made.status, 200, made)
        return app, made.json()["recovery_codes"]

    async def with_code(self, code: str, **more: Any) -> Answer:
        """Sign in with a code."""
        body = {"email": "ann@one.example", "password": PASSWORD, "code": code}
        return await self.ask("POST", "/api/v1/auth/login", body, **{**OWN, **more})


class TotpTests(FactorCase):
    """Codes."""

    async def test_once(self) -> None:
        """A code is asked for, works once, and a little off; an older one does not work after a newer."""
        app, _ = await self.add_app()
        self.assertEqual((await self.login()).slug, "second-factor")
        # That of setting up was used.
        self.assertEqual((await self.with_code(app.at(self.now))).slug, "wrong-code")
        self.now += 60
        code = app.at(self.now)
        self.assertEqual((await self.with_code(f"{code[:3]} {code[3:]}")).status, 200)
        self.assertEqual((await self.with_code(code)).slug, "wrong-code")
        self.assertEqual((await self.with_code(app.at(self.now - 30))).slug, "wrong-code")
        self.assertEqual((await self.with_code(app.at(self.now + 30))).status, 200)

    async def test_bad_codes(self) -> None:
        """What is no code, and what was one long ago."""
        app, _ = await self.add_app()
        self.now += 300
        self.assertEqual((await self.with_code(app.at(self.now - 90))).slug, "wrong-code")
        for bad in ("000000", "12345", "abcdef", "é" * 6, "\x00", "１２３４５６"):
            self.assertEqual((await self.with_code(bad)).slug, "wrong-code", bad)

    async def test_other_scripts(self) -> None:
        """Digits of another keyboard are digits; signs that are none are no code, nor a fault."""
        setup = (await self.me.ask("POST", "/api/v1/auth/totp")).json()
        body = {"token": setup["token"], "secret": setup["secret"]}
        arabic = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
        for code in ("☃☃☃☃☃☃", "²²²²²²", "١٢٣", "\0"):
            self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/totp", {**body, "code": code})).slug, "bad-field")
        app = pyotp.TOTP(setup["secret"])
        code = app.at(self.now).translate(arabic)
        self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/totp", {**body, "code": code})).status, 200)
        self.now += 60
        for wrong in ("☃☃☃☃☃☃", "²²²²²²"):
            self.assertEqual((await self.with_code(wrong)).slug, "wrong-code")
        self.assertEqual((await self.with_code(app.at(self.now).translate(arabic))).status, 200)

    async def test_wrong_password_first(self) -> None:
        """Who has not the password is not told whether a code is asked for."""
        await self.add_app()
        self.assertEqual((await self.login(password="wrong one here")).slug, "wrong-password")

    async def test_recovery(self) -> None:
        """Each code once, however it is typed; new ones end the old ones; nothing of them is stored."""
        _, codes = await self.add_app()
        self.assertEqual(len(set(codes)), 10)
        self.assertNotIn(codes[0], str(self.sql("select * from catalog.recovery_code")))
        self.assertEqual((await self.with_code(codes[0].lower().replace("-", " "))).status, 200)
        self.assertEqual((await self.with_code(codes[0])).slug, "wrong-code")
        factors = (await self.me.ask("GET", "/api/v1/auth/factors")).json()
        self.assertEqual(factors, {"password": True, "totp": True, "recovery_codes": 9, "passkeys": []})
        fresh = (await self.me.ask("POST", "/api/v1/auth/recovery-codes")).json()["recovery_codes"]
        self.assertEqual((await self.with_code(codes[1])).slug, "wrong-code")
        self.assertEqual((await self.with_code(fresh[1])).status, 200)

    async def test_setting_up(self) -> None:
        """Nothing is asked for before the app has shown its code; another's secret, or an old one, is none."""
        setup = (await self.me.ask("POST", "/api/v1/auth/totp")).json()
        self.assertIn("otpauth://totp/", setup["uri"])
        size, path = setup["qr"]["size"], setup["qr"]["path"]
        self.assertRegex(path, r"^(M\d+ \d+h\d+v1h-\d+z)+$")
        # A quiet zone of four modules, and the corner of a finder pattern (ISO/IEC 18004, 6.3.3).
        self.assertTrue(path.startswith("M4 4h7v1h-7zM") and size > 40, path[:40])
        app = pyotp.TOTP(setup["secret"])
        good = {"token": setup["token"], "secret": setup["secret"], "code": app.at(self.now)}
        other = pyotp.random_base32()
        for change in (
            {"code": "000000"}, {"token": "x"}, {"token": "é"}, {"secret": "!!"}, {"secret": ""}, {"token": ""},
            {"secret": other, "code": pyotp.TOTP(other).at(self.now)},
        ):  # fmt: skip
            self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/totp", {**good, **change})).slug, "bad-field")
        eve = await sign_in(self, "owner", site=2)
        self.assertEqual((await eve.ask("PUT", "/api/v1/auth/totp", good)).slug, "bad-field")
        self.assertEqual((await self.login()).status, 200)
        self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/totp", good)).status, 200)
        self.assertEqual((await self.login()).slug, "second-factor")
        self.assertEqual((await self.me.ask("DELETE", "/api/v1/auth/totp")).status, 204)
        self.assertEqual((await self.login()).status, 200)
        self.assertEqual(len(b32decode(setup["secret"])), 20)

    async def test_links(self) -> None:
        """Reading somebody's mail is not enough; an operator's link is the way back for who lost the app."""
        app, _ = await self.add_app()
        token = await self.application.shared[AccountLinks].make(self.ann, "reset")
        body = {"token": token, "password": "a quite new one"}
        self.assertEqual((await self.ask("POST", "/api/v1/auth/link", body, **OWN)).slug, "second-factor")
        self.now += 60
        answer = await self.ask("POST", "/api/v1/auth/link", {**body, "code": app.at(self.now)}, **OWN)
        self.assertEqual(answer.status, 200)
        token = await self.application.shared[AccountLinks].make(self.ann, "welcome")
        self.assertEqual((await self.ask("POST", "/api/v1/auth/link", {"token": token}, **OWN)).status, 200)


class PasskeyTests(FactorCase):
    """Passkeys, with a software authenticator."""

    async def add_passkey(self, one: Authenticator, who: StaffClient | None = None) -> Answer:
        """Keep one."""
        who = who or self.me
        options = (await who.ask("POST", "/api/v1/auth/passkeys/options")).json()
        return await who.ask("POST", "/api/v1/auth/passkeys", {"credential": one.make(options), "name": "phone"})

    async def options(self) -> dict[str, Any]:
        """What a browser signs in with."""
        return (await self.ask("POST", "/api/v1/auth/passkey/options", **OWN)).json()

    async def enter(self, credential: Any, **more: Any) -> Answer:
        """Sign in."""
        return await self.ask("POST", "/api/v1/auth/passkey", {"credential": credential}, **{**OWN, **more})

    async def test_sign_in(self) -> None:
        """Made, listed, used, removed; whose it is the passkey says."""
        one = Authenticator()
        self.assertEqual((await self.add_passkey(one)).status, 201)
        answer = await self.enter(one.sign(await self.options()))
        self.assertEqual(answer.json()["account"]["email"], "Ann@one.example")
        who = StaffClient(self, 0, "", {"cookie": f"{COOKIE}={cookies(answer)[COOKIE]}", **OWN})
        (shown,) = (await who.ask("GET", "/api/v1/auth/factors")).json()["passkeys"]
        self.assertEqual((shown["name"], shown["used"] is None), ("phone", False))
        eve = await sign_in(self, "owner", site=2)
        self.assertEqual((await eve.ask("DELETE", f"/api/v1/auth/passkeys/{shown['id']}")).slug, "not-found")
        self.assertEqual((await who.ask("DELETE", f"/api/v1/auth/passkeys/{shown['id']}")).status, 204)
        self.assertEqual((await self.enter(one.sign(await self.options()))).slug, "wrong-passkey")

    async def test_replay(self) -> None:
        """An answer is taken once, also where the authenticator does not count; a challenge of ours alone is."""
        one = Authenticator()
        await self.add_passkey(one)
        options = await self.options()
        sent = one.sign(options)
        self.assertEqual((await self.enter(sent)).status, 200)
        self.assertEqual((await self.enter(sent)).slug, "wrong-passkey")
        self.assertEqual((await self.enter(one.sign(options))).slug, "wrong-passkey")
        self.assertEqual((await self.enter(one.sign({"challenge": encoded(b"x" * 56)}))).slug, "wrong-passkey")
        made = (await self.me.ask("POST", "/api/v1/auth/passkeys/options")).json()
        self.assertEqual((await self.enter(one.sign(made))).slug, "wrong-passkey")

    async def test_foreign(self) -> None:
        """Signed for another host or origin, by another key, without its user: refused."""
        one = Authenticator()
        await self.add_passkey(one)
        for origin, host in (("https://evil.example", "localhost"), ("http://localhost", "evil.example"),
                             ("http://localhost:1", "localhost")):  # fmt: skip
            one.origin, one.host = origin, host
            self.assertEqual((await self.enter(one.sign(await self.options()))).slug, "wrong-passkey")
        one.origin, one.host, one.flags = "http://localhost", "localhost", 0x01
        self.assertEqual((await self.enter(one.sign(await self.options()))).slug, "wrong-passkey")
        two = Authenticator()
        two.id = one.id
        self.assertEqual((await self.enter(two.sign(await self.options()))).slug, "wrong-passkey")

    async def test_malformed(self) -> None:
        """Whatever is sent, it is refused in words."""
        one = Authenticator()
        await self.add_passkey(one)
        good = one.sign(await self.options())
        for credential in (
            {}, {"response": 1}, {"response": {}}, {"response": {"clientDataJSON": 7}}, {**good, "rawId": "é"},
            {**good, "response": {**good["response"], "signature": "AA"}},
            {**good, "response": {**good["response"], "authenticatorData": "AA"}},
            {**good, "response": {**good["response"], "clientDataJSON": encoded(b"[" * 5000)}},
            {**good, "response": {**good["response"], "clientDataJSON": encoded(b'{"challenge": 1}')}},
        ):  # fmt: skip
            self.assertEqual((await self.enter(credential)).slug, "wrong-passkey", credential)
            answer = await self.me.ask("POST", "/api/v1/auth/passkeys", {"credential": credential})
            self.assertEqual(answer.slug, "bad-field", credential)
        self.assertEqual((await self.enter("text")).slug, "bad-field")
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_belongs(self) -> None:
        """Options for one account make no passkey of another's; one that is known is not taken twice."""
        eve = await sign_in(self, "owner", site=2)
        options = (await self.me.ask("POST", "/api/v1/auth/passkeys/options")).json()
        one = Authenticator()
        answer = await eve.ask("POST", "/api/v1/auth/passkeys", {"credential": one.make(options)})
        self.assertEqual(answer.slug, "bad-field")
        self.assertEqual((await self.add_passkey(one)).status, 201)
        self.assertEqual((await self.add_passkey(one, eve)).slug, "passkeys")


class OwnerTests(FactorCase):
    """What an account's owner does with it."""

    async def test_sessions(self) -> None:
        """Listed, ended one by one or all but this; another's are none."""
        phone, eve = await client_of(self, self.ann), await sign_in(self, "owner", site=2)
        listed = (await self.me.ask("GET", "/api/v1/auth/sessions")).json()
        self.assertEqual(len(listed["sessions"]), 2)
        (other,) = [one["id"] for one in listed["sessions"] if one["id"] != listed["current"]]
        self.assertEqual((await eve.ask("DELETE", f"/api/v1/auth/sessions/{other}")).slug, "not-found")
        self.assertEqual((await self.me.ask("DELETE", f"/api/v1/auth/sessions/{other}")).status, 204)
        self.assertEqual((await phone.ask("GET", "/api/v1/auth/me")).slug, "signed-out")
        await client_of(self, self.ann)
        self.assertEqual((await self.me.ask("DELETE", "/api/v1/auth/sessions")).json(), {"ended": 1})
        self.assertEqual((await self.me.ask("GET", "/api/v1/auth/me")).status, 200)
        self.assertEqual((await eve.ask("GET", "/api/v1/auth/me")).status, 200)
        told = [one["what"] for one in (await self.me.ask("GET", "/api/v1/auth/history")).json()["entries"]]
        self.assertEqual(told, ["other sessions ended", "session ended"])

    async def test_password(self) -> None:
        """Another one ends the other sessions; what needs a fresh proof is refused later, and taken after it."""
        phone = await client_of(self, self.ann)
        self.sql("update catalog.account_session set fresh_at = now() - interval '1 hour'")
        new = {"password": "a quite new one"}
        self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/password", new)).slug, "not-fresh")
        wrong = await self.me.ask("POST", "/api/v1/auth/confirm", {"password": "wrong"})
        self.assertEqual(wrong.slug, "wrong-password")
        right = await self.me.ask("POST", "/api/v1/auth/confirm", {"password": PASSWORD})
        self.assertEqual(right.status, 204)
        self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/password", {"password": "short"})).slug, "bad-field")
        self.assertEqual((await self.me.ask("PUT", "/api/v1/auth/password", new)).status, 204)
        self.assertEqual((await phone.ask("GET", "/api/v1/auth/me")).slug, "signed-out")
        self.assertEqual((await self.me.ask("GET", "/api/v1/auth/me")).status, 200)
        self.assertEqual((await self.login(password="a quite new one")).status, 200)

    async def test_end(self) -> None:
        """All that is kept can be had; an owner without another stays, others go with what was theirs."""
        eve = await sign_in(self, "moderator", email="eve@one.example", name="Eve")
        self.sql("select record_audit(1, %s, 'Eve', 'comment.approved', 'comment:5')", f"account:{eve.account}")
        kept = (await eve.ask("GET", "/api/v1/auth/export")).json()
        self.assertEqual(kept["audit"][0]["target"], "comment:5")
        self.assertEqual(kept["account"]["email"], "eve@one.example")
        self.assertEqual((await self.me.ask("DELETE", "/api/v1/auth/me")).slug, "last-owner")
        self.assertEqual((await eve.ask("DELETE", "/api/v1/auth/me")).status, 204)
        self.assertEqual((await eve.ask("GET", "/api/v1/auth/me")).slug, "signed-out")
        left = self.sql("select name from audit") + self.sql("select email from catalog.account")
        self.assertEqual(left, [("",), ("Ann@one.example",)])

    async def test_stays_deleted(self) -> None:
        """After an older backup is restored, too; a new account of that number is another one."""
        eve = await sign_in(self, "moderator", email="eve@one.example")
        (row,) = self.sql("select created_at::text from catalog.account where id = %s", eve.account)
        await eve.ask("DELETE", "/api/v1/auth/me")
        forgetting = self.application.shared[Forgetting]
        insert = "insert into catalog.account (id, email, email_key, created_at) overriding system value "
        self.sql(f"{insert} values (%s, 'new@x.y', 'new@x.y', now())", eve.account)
        self.assertEqual(await forgetting.sync(), 0)
        self.sql("delete from catalog.account where id = %s", eve.account)
        self.sql(f"{insert} values (%s, 'eve@one.example', 'eve@one.example', %s)", eve.account, row[0])
        self.assertEqual(await forgetting.sync(), 1)
        self.assertEqual(self.sql("select email from catalog.account"), [("Ann@one.example",)])

    async def test_name(self) -> None:
        """What colleagues see, cleaned."""
        answer = await self.me.ask("PATCH", "/api/v1/auth/me", {"name": " Dr. \u202eAnn\x00 "})
        self.assertEqual(answer.status, 200)
        self.assertNotIn("\u202e", answer.json()["name"])
        await make_account(self)
