"""What staff changes as a whole is changed by its version: no colleague's change is lost, whatever the route."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import ensureDeferred, gatherResults

from cackled.api.openapi import refusals
from cackled.api.route import VERSIONED, Caller
from cackled.features import registry
from tests.api.common import ApiCase
from tests.support.staff import StaffClient, sign_in

SITE = "/api/v1/sites/1"
# What a call can lose nothing with, each for its reason. A further PUT or PATCH of staff is named here, or in `CASES`.
FREE = {
    # Of the account that calls, and nobody else's.
    "renameAccount": "own", "setPassword": "own", "finishTotp": "own", "changeDesk": "own", "addDeskPush": "own",
    # Words and deeds in a conversation; who writes is told of others by the conversation itself.
    "editChatMessage": "the author's own, and messages have an age", "readChat": "only rises", "typeInChat": "signal",
    # Deeds: each says what it does, and does it once.
    "sendImportFile": "by its place in the file", "writeChatUpload": "by its place in the file, the sender's own",
    "claimModerationItem": "refused while somebody has it",
    "decideOption": "refused once it is decided", "changeConversation": "each member is a deed of its own",
    "editAsStaff": "by the version in its body",
    # The shop's server sends what it has, and what it has last holds.
    "putProduct": "the shop's data, not ours",
    # A picture: what is chosen last holds, and nothing is merged.
    "putLogo": "one picture as a whole", "putAccountPicture": "own",
    # One public answer, written in sight of the review.
    "replyReview": "the answer as it is to be read",
}  # fmt: skip


class VersionTests(ApiCase):
    """Each such route, with two colleagues."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "chat.enabled", True)
        self.owner = await sign_in(self)

    async def made(self, path: str, body: Any, name: str = "id") -> str:
        """Something new; gives its number."""
        answer = await self.owner.ask("POST", f"{SITE}{path}", body)
        self.assertEqual(answer.status, 201, answer)
        return str(answer.json()[name])

    async def cases(self) -> dict[str, tuple[str, str, str, Any, Any]]:
        """By the name of the route: method, path, where its version is read, and two bodies."""
        department = await self.made("/chats/departments", {"name": "Sales"})
        reply = await self.made("/chats/replies", {"short": "hi", "text": "Hello"})
        macro = await self.made("/chats/macros", {"name": "One", "steps": [{"do": "spam"}]})
        hook = await self.made("/webhooks", {"url": "https://one.example/hook"})
        poll = await self.made("/polls", {"question": "Which?", "options": [{"text": "A"}, {"text": "B"}]})
        colleague = await sign_in(self, "moderator")
        oidc = {"kind": "oidc", "issuer": "https://id.example", "clientId": "c"}
        steps = [{"do": "note", "text": "n"}]
        found = {
            "changeSettings": ("PATCH", "/settings", {"name": "First"}, {"name": "Second"}),
            "putRules": ("PUT", "/rules", {"links": 1}, {"links": 2}),
            "changeWebhook": ("PATCH", f"/webhooks/{hook}", {"note": "a"}, {"note": "b"}),
            "putMailTemplate": ("PUT", "/mail-templates/notices/de", {"subject": "a"}, {"subject": "b"}),
            "putSignInProvider": ("PUT", "/sign-in/providers/x", oidc, {**oidc, "clientId": "d"}),
            "changeMember": ("PATCH", f"/members/{colleague.account}", {"role": "analyst"}, {"role": "operator"}),
            "changeChatHours": ("PUT", "/chats/hours", {"zone": "Europe/Berlin"}, {"zone": "Europe/Paris"}),
            "changeChatSetup": ("PUT", "/chats/setup", {"consent": "a"}, {"consent": "b"}),
            "changeChatReply": ("PATCH", f"/chats/replies/{reply}", {"text": "a"}, {"text": "b"}),
            "changeChatMacro": ("PUT", f"/chats/macros/{macro}", {"name": "A", "steps": steps},
                                {"name": "B", "steps": steps}),
            "renameDepartment": ("PATCH", f"/chats/departments/{department}", {"name": "a"}, {"name": "b"}),
            "changePoll": ("PATCH", f"/polls/{poll}", {"question": "Whose?"}, {"question": "Who?"}),
        }  # fmt: skip
        return {
            name: (method, SITE + path, SITE + path + ("/results" if name == "changePoll" else ""), one, other)
            for name, (method, path, one, other) in found.items()
        }

    async def test_all(self) -> None:
        """Each PUT and PATCH of staff takes If-Match, or is known to need none; both lists name what there is."""
        staff = [
            route for route in registry().routes
            if route.caller in (Caller.STAFF, Caller.PARTY) and route.method in ("PUT", "PATCH")
        ]  # fmt: skip
        taking = {route.name for route in staff if set(VERSIONED) <= set(refusals(route))}
        self.assertEqual(taking, set(await self.cases()))
        self.assertEqual({route.name for route in staff} - taking, set(FREE))
        # Deleting and resetting take none.
        gone = [route for route in registry().routes if route.method == "DELETE"]
        self.assertEqual([route.name for route in gone if "if-match" in refusals(route)], [])

    async def test_each(self) -> None:
        """428 without a version, 412 with one that is no more, and of two at the same moment one comes through."""
        for name, (method, path, read, one, other) in (await self.cases()).items():
            await self.walk(name, method, path, read, one, other)

    async def walk(self, name: str, method: str, path: str, read: str, one: Any, other: Any) -> None:
        """One route."""
        ann = self.owner
        ben: StaffClient = await sign_in(self)
        self.assertEqual((await ann.ask(method, path, one)).slug, "if-match", name)
        # What is too long for a number, or none, is no version of ours.
        for wrong in ('"8"', '"999999999999999999"', '"99999999999"', '"x"', '"9' + "9" * 40 + '"', "*"):
            answer = await ann.ask(method, path, one, if_match=wrong)
            self.assertEqual((answer.status, answer.slug), (412, "outdated"), (name, wrong))
        seen = await ann.tag(read)
        self.assertEqual(await ben.tag(read), seen)
        saved = await ann.ask(method, path, one, if_match=seen)
        self.assertEqual(saved.status // 100, 2, (name, saved))
        now = saved.headers["etag"]
        self.assertNotEqual(now, seen, name)
        self.assertEqual(await ben.tag(read), now, name)
        self.assertEqual((await ben.ask(method, path, other, if_match=seen)).slug, "outdated", name)
        # What Ann saved stands, and Ben builds on it.
        self.assertEqual(await ann.tag(read), now, name)
        both = await gatherResults([
            ensureDeferred(who.ask(method, path, body, if_match=now))
            for who, body in ((ben, other), (ann, {**other, **twist(other)}))
        ])  # fmt: skip
        self.assertEqual(sorted(answer.status // 100 for answer in both), [2, 4], (name, both))
        self.assertEqual([answer.slug for answer in both if answer.status == 412], ["outdated"], (name, both))


def twist(body: dict[str, Any]) -> dict[str, Any]:
    """Another value of the member that differs."""
    for member in ("name", "note", "subject", "clientId", "zone", "consent", "text", "question"):
        if member in body:
            return {member: "UTC" if member == "zone" else "Another?"}
    return {"role": "admin"} if "role" in body else {"links": 7}
