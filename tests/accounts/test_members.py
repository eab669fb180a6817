"""Members and invitations over the API."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

from cackled.accounts.account_mail import Letters
from cackled.accounts.store import People
from tests.accounts.test_signin import cookies
from tests.api.common import Answer, ApiCase
from tests.support.staff import COOKIE, OWN, PASSWORD, StaffClient, quick_passwords, sign_in, site_key


class MailCase(ApiCase):
    """Letters are kept in ``sent``."""

    async def setUp(self) -> None:
        await super().setUp()
        quick_passwords(self)
        self.sent: list[tuple[str, EmailMessage]] = []
        letters = self.application.shared[Letters]
        letters.own_url = "https://panel.example"

        async def send(to: str, message: EmailMessage) -> None:
            self.sent.append((to, message))

        letters._send = send

    def token(self, number: int = -1) -> str:
        """The token of a letter's link."""
        text = self.sent[number][1].get_content()
        return str(text.partition("#token=")[2].split()[0])


class MemberTests(MailCase):
    """Roles."""

    async def change(self, who: StaffClient, account: int, role: str, **more: Any) -> Answer:
        """Give another role."""
        answer: Answer = await who.change("PATCH", f"/api/v1/sites/1/members/{account}", {"role": role, **more})
        return answer

    async def test_ranks(self) -> None:
        """Owners are made and unmade by owners alone, and there is always one."""
        owner, admin, mod = [await sign_in(self, role) for role in ("owner", "admin", "moderator")]
        self.assertEqual((await self.change(admin, mod.account, "analyst")).status, 204)
        self.assertEqual((await self.change(admin, mod.account, "owner")).slug, "role")
        self.assertEqual((await self.change(admin, owner.account, "analyst")).slug, "role")
        self.assertEqual((await admin.ask("DELETE", f"/api/v1/sites/1/members/{owner.account}")).slug, "role")
        self.assertEqual((await self.change(mod, mod.account, "admin")).slug, "role")
        self.assertEqual((await self.change(owner, owner.account, "admin")).slug, "last-owner")
        self.assertEqual((await owner.ask("DELETE", f"/api/v1/sites/1/members/{owner.account}")).slug, "last-owner")
        self.assertEqual((await self.change(owner, admin.account, "owner")).status, 204)
        sections = [" news ", "news"]
        self.assertEqual((await self.change(owner, owner.account, "moderator", sections=sections)).status, 204)
        rows = (await admin.ask("GET", "/api/v1/sites/1/members")).json()["members"]
        self.assertEqual([(row["role"], row["sections"]) for row in rows],
                         [("moderator", ["news"]), ("owner", []), ("analyst", [])])  # fmt: skip

    async def test_key(self) -> None:
        """A server names and takes away whom its key has the powers of, and nobody who makes keys."""
        owner, admin, mod = [await sign_in(self, role) for role in ("owner", "admin", "moderator")]
        key = await site_key(self, ["sync", "moderate"])
        members = "/api/v1/sites/1/members"
        self.assertEqual(len((await key.ask("GET", members)).json()["members"]), 3)
        for role in ("owner", "admin", "operator", "analyst"):
            answer = await key.ask("POST", members, {"email": "new@one.example", "role": role})
            self.assertEqual((answer.status, answer.slug), (403, "role"), role)
            self.assertEqual((await self.change(key, mod.account, role)).slug, "role")
        for one in (owner, admin):
            self.assertEqual((await self.change(key, one.account, "moderator")).slug, "role")
            self.assertEqual((await key.ask("DELETE", f"{members}/{one.account}")).slug, "role")
        self.assertEqual(self.sent, [])
        made = await key.ask("POST", members, {"email": "new@one.example", "role": "moderator"})
        self.assertEqual((made.status, made.json()["mailed"]), (201, True))
        self.assertEqual((await key.ask("DELETE", f"/api/v1/sites/1/invitations/{made.json()['id']}")).status, 204)
        self.assertEqual((await self.change(key, mod.account, "moderator", sections=["news"])).status, 204)
        self.assertEqual((await key.ask("DELETE", f"{members}/{mod.account}")).status, 204)
        actors = self.sql("select distinct actor from audit where action ~ '^member'")
        self.assertEqual([actor[:4] for (actor,) in actors], ["key:"])

    async def test_leave(self) -> None:
        """Everybody may leave; others are taken away by those who may, and then may nothing any more."""
        await sign_in(self, "owner")
        admin, mod, other = [await sign_in(self, role) for role in ("admin", "moderator", "operator")]
        self.assertEqual((await mod.ask("DELETE", f"/api/v1/sites/1/members/{other.account}")).slug, "role")
        self.assertEqual((await other.ask("DELETE", f"/api/v1/sites/1/members/{other.account}")).status, 204)
        self.assertEqual((await mod.ask("GET", "/api/v1/sites/1/audit")).status, 200)
        self.assertEqual((await admin.ask("DELETE", f"/api/v1/sites/1/members/{mod.account}")).status, 204)
        self.assertEqual((await mod.ask("GET", "/api/v1/sites/1/audit")).slug, "role")
        self.assertEqual((await admin.ask("DELETE", f"/api/v1/sites/1/members/{mod.account}")).slug, "not-found")

    async def test_bad(self) -> None:
        """Roles, numbers and sections that there are not."""
        owner = await sign_in(self, "owner")
        for role in ("king", "", "any"):
            self.assertEqual((await self.change(owner, owner.account, role)).slug, "bad-field")
        self.assertEqual((await self.change(owner, 999, "admin")).slug, "not-found")
        self.assertEqual((await self.change(owner, owner.account, "owner", sections=["x"] * 60)).slug, "bad-field")


class InvitationTests(MailCase):
    """Asking by mail."""

    async def invite(self, who: StaffClient, email: str, role: str = "moderator", **more: Any) -> Answer:
        """Ask somebody."""
        return await who.ask("POST", "/api/v1/sites/1/members", {"email": email, "role": role}, **more)

    async def accept(self, token: str, **more: Any) -> Answer:
        """As whoever reads the mail does."""
        headers = more.pop("headers", {})
        return await self.ask("POST", "/api/v1/auth/invitation", {"token": token, **more}, **{**OWN, **headers})

    async def test_new_account(self) -> None:
        """The mail is in the inviter's language; its link makes an account, once."""
        owner = await sign_in(self, "owner", name="Ann")
        made = await self.invite(owner, "new@one.example", accept_language="de")
        self.assertEqual((made.status, made.json()["mailed"], made.json()["link"]), (201, True, None))
        to, letter = self.sent[-1]
        self.assertEqual((to, letter["subject"]), ("new@one.example", "Ann lädt Sie zu One ein"))
        token = self.token()
        self.assertIn(f"https://panel.example/panel/invitation#token={token}", letter.get_content())
        look = await self.ask("POST", "/api/v1/auth/invitation/look", {"token": token}, **OWN)
        self.assertEqual(look.json(), {
            "site": 1, "site_name": "One", "email": "new@one.example", "role": "moderator", "account": False,
        })  # fmt: skip
        self.assertEqual((await self.accept(token, password="short")).slug, "bad-field")
        taken = await self.accept(token, name="Neu", password=PASSWORD)
        (mine,) = taken.json()["sites"]
        self.assertEqual(mine, {"site": 1, "name": "One", "role": "moderator", "sections": [], "logo": ""})
        who = StaffClient(self, 0, "", {"cookie": f"{COOKIE}={cookies(taken)[COOKIE]}", **OWN})
        self.assertEqual((await who.ask("GET", "/api/v1/sites/1/audit")).status, 200)
        self.assertEqual(self.sql("select name from audit where action = 'member.joined'"), [("Neu",)])
        for spent in (token, "nonsense"):
            self.assertEqual((await self.accept(spent, password=PASSWORD)).slug, "link-spent")

    async def test_known_account(self) -> None:
        """Whoever has an account signs in first: the link alone gives nobody another's account."""
        owner, bob = await sign_in(self, "owner"), await sign_in(self, "analyst", site=2, email="bob@two.example")
        await self.invite(owner, "BOB@two.example")
        answer = await self.accept(self.token(), password=PASSWORD)
        self.assertEqual(answer.slug, "signed-out")
        answer = await self.accept(self.token(), headers={"cookie": bob.headers["cookie"]})
        self.assertEqual([one["site"] for one in answer.json()["sites"]], [1, 2])
        roles = [(one.site, one.role) for one in await self.application.shared[People].sites(bob.account)]
        self.assertEqual(roles, [(1, "moderator"), (2, "analyst")])

    async def test_owner_stays(self) -> None:
        """An owner who takes an invitation to less stays owner."""
        owner = await sign_in(self, "owner", email="own@one.example")
        await self.invite(owner, "own@one.example", "analyst")
        await self.accept(self.token(), headers={"cookie": owner.headers["cookie"]})
        roles = [one.role for one in await self.application.shared[People].sites(owner.account)]
        self.assertEqual(roles, ["owner"])

    async def test_ranks_and_limits(self) -> None:
        """An admin invites no owner; a new invitation replaces the old; taken back is taken back; letters are few."""
        await sign_in(self, "owner")
        admin = await sign_in(self, "admin")
        self.assertEqual((await self.invite(admin, "x@one.example", "owner")).slug, "role")
        self.assertEqual((await self.invite(admin, "no address")).slug, "bad-field")
        self.assertEqual((await self.invite(admin, "x@one.example", "king")).slug, "bad-field")
        first = (await self.invite(admin, "x@one.example")).json()
        old = self.token()
        second = (await self.invite(admin, "x@one.example")).json()
        self.assertEqual(first["id"], second["id"])
        self.assertEqual((await self.accept(old, password=PASSWORD)).slug, "link-spent")
        gone = await admin.ask("DELETE", f"/api/v1/sites/1/invitations/{second['id']}")
        self.assertEqual(gone.status, 204)
        self.assertEqual((await self.accept(self.token(), password=PASSWORD)).slug, "link-spent")
        # The link is for the address alone: who asks too often is not given it instead.
        last = [await self.invite(admin, "x@one.example") for _ in range(4)][-1]
        self.assertEqual((last.status, len(self.sent)), (429, 3))
        self.assertNotIn("token=", str(last.body))
        listed = (await admin.ask("GET", "/api/v1/sites/1/members")).json()["invitations"]
        self.assertEqual([row["email"] for row in listed], ["x@one.example"])

    async def test_stored(self) -> None:
        """Nothing of the link is in the database."""
        owner = await sign_in(self, "owner")
        await self.invite(owner, "x@one.example")
        self.assertNotIn(self.token(), str(self.sql("select * from catalog.invitation")))
