"""Links that work once, and the operators' commands that make them."""

from __future__ import annotations

from typing import Any

from cackled.accounts.links import AccountLinks
from cackled.accounts.store import People
from cackled.admin.account_area import Accounts
from cackled.admin.commands import COMMANDS
from cackled.admin.console import Console
from cackled.admin.testing import FakeProcess
from cackled.domain.commands import CommandError, Usage
from tests.accounts.test_signin import SignInCase, cookies
from tests.api.common import Answer
from tests.support.staff import COOKIE, OWN, sign_in


class LinkTests(SignInCase):
    """Following one."""

    async def link(self, kind: Any = "welcome") -> str:
        """A new link of Ann's."""
        return await self.application.shared[AccountLinks].make(self.ann, kind)

    async def follow(self, token: str, password: str = "", **headers: Any) -> Answer:
        """As a page of the panel does."""
        return await self.ask("POST", "/api/v1/auth/link", {"token": token, "password": password}, **{**OWN, **headers})

    async def test_once(self) -> None:
        """It signs in, once; nothing of it is in the database."""
        token = await self.link()
        self.assertNotIn(token, str(self.sql("select * from catalog.account_link")))
        answer = await self.follow(token)
        self.assertEqual(answer.json()["account"]["email"], "Ann@one.example")
        me = await self.ask("GET", "/api/v1/auth/me", cookie=f"{COOKIE}={cookies(answer)[COOKIE]}")
        self.assertEqual(me.status, 200)
        for spent in (token, "nonsense", "", "\x00", "é" * 50):
            self.assertEqual((await self.follow(spent)).slug, "link-spent")

    async def test_password(self) -> None:
        """A new password ends the sessions there were; one that can't be one leaves the link as it was."""
        old = await sign_in(self, "owner", email="Ann@one.example")
        token = await self.link("reset")
        for password in ("", "short", "password123", "aaaaaaaaaaaa", "ann@one.example", "x" * 300):
            self.assertEqual((await self.follow(token, password)).slug, "bad-field", password)
        self.assertEqual((await old.ask("GET", "/api/v1/auth/me")).status, 200)
        self.assertEqual((await self.follow(token, "a quite new one")).status, 200)
        self.assertEqual((await old.ask("GET", "/api/v1/auth/me")).slug, "signed-out")
        self.assertEqual((await self.login()).slug, "wrong-password")
        self.assertEqual((await self.login(password="a quite new one")).status, 200)

    async def test_runs_out(self) -> None:
        """An old one is none; a newer one takes its place."""
        first = await self.link()
        second = await self.link()
        self.assertEqual((await self.follow(first)).slug, "link-spent")
        self.sql("update catalog.account_link set expires_at = now() - interval '1 s'")
        self.assertEqual((await self.follow(second)).slug, "link-spent")

    async def test_guessing(self) -> None:
        """Who tries many is stopped."""
        slugs = [(await self.follow(f"guess{n}")).slug for n in range(32)]
        self.assertEqual((slugs[0], slugs[-1]), ("link-spent", "too-fast"))


class CommandTests(SignInCase):
    """``account``."""

    async def run_command(self, *words: str) -> Any:
        """Run a command as the console does."""
        area = Accounts(self.application.sites, self.application.shared, "http://localhost:8080")
        return await COMMANDS["account"].run(Console(process=FakeProcess([]), accounts=area), words)

    async def test_add(self) -> None:
        """An account, its role, and a link; twice is no error, and the later role counts."""
        for role in ("moderator", "admin"):
            made = await self.run_command("add", "new@one.example", "--role", role, "--site=1")
            self.assertTrue(made["link"].startswith("http://localhost:8080/panel/link#token="), made)
        account = await self.application.shared[People].by_email("NEW@one.example")
        sites = await self.application.shared[People].sites(account.id)
        self.assertEqual([(one.site, one.role) for one in sites], [(1, "admin")])
        listed = await self.run_command()
        self.assertEqual([(row["email"], row["sites"]) for row in listed][-1], ("new@one.example", "1 admin"))
        self.assertEqual(self.sql("select actor, action from audit")[-1], ("console", "member.added"))

    async def test_refusals(self) -> None:
        """One line each."""
        for words, error in (
            (("add", "x"), CommandError), (("add", "a@b.c", "--role", "king"), CommandError),
            (("add", "a@b.c", "--role", "owner", "--site", "77"), CommandError), (("link", "who@b.c"), CommandError),
            (("add", "a@b.c", "--site", "1"), CommandError), (("add", "a@b.c", "--role"), Usage), (("add",), Usage),
            (("remove", "ann@one.example"), CommandError), (("add", "a@b.c", "--colour", "red"), Usage),
        ):  # fmt: skip
            with self.assertRaises(error, msg=words):
                await self.run_command(*words)

    async def test_remove(self) -> None:
        """An account goes with its sessions; the log keeps what it did, without its name."""
        eve = await sign_in(self, "moderator", email="eve@one.example", name="Eve")
        self.sql("select record_audit(1, %s, 'Eve', 'comment.approved')", f"account:{eve.account}")
        await self.run_command("remove", "eve@one.example")
        self.assertEqual((await eve.ask("GET", "/api/v1/auth/me")).slug, "signed-out")
        self.assertEqual(self.sql("select name, action from audit"), [("", "comment.approved")])
