"""Every route for staff, called by who is somebody elsewhere: refused, and without a byte of the site."""

from __future__ import annotations

import re
from typing import Any

from cackled.api import core
from cackled.api.route import Caller, Route
from cackled.domain.staff import INCLUDES, includes
from cackled.features import registry
from tests.api.common import ORIGIN, ApiCase
from tests.support.staff import sign_in, site_key

CANARY = "qzcanaryqz"
ROUTES = [one for one in (*core.ROUTES, *registry().routes) if one.caller is Caller.STAFF and one.about_site]
SCOPES = ["read", "sync", "moderate", "sso", "chat"]
# What no server does with a key: what an operator does in chats; making and ending keys; deleting the site.
PEOPLE_ALONE = {
    "takeChat", "inviteToChat", "leaveChat", "snoozeChat", "reopenChat", "markChatAsSpam", "blockVisitorOfChat",
    "translateChatMessages", "translateChatDraft", "getChatActivity", "runChatMacro", "getDeskPushKey",
    "addDeskPush", "dropDeskPush",
    "getDesk", "changeDesk", "beatDesk", "listenToChats",
    "makeKey", "rotateKey", "endKey", "askDeletion", "cancelDeletion",
}  # fmt: skip


class StaffWallTests(ApiCase):
    """Site 1 is full of words that nobody of site 2 may see."""

    async def setUp(self) -> None:
        await super().setUp()
        self.owner = await sign_in(self, "owner", name=CANARY, email=f"{CANARY}@one.example")
        session = (await self.ask("POST", "/api/v1/sites/1/sessions", {}, origin=ORIGIN)).json()
        visitor = {"origin": ORIGIN, "authorization": f"Bearer {session['token']}"}
        body = {"channel": {"key": CANARY, "title": CANARY}, "text": f"words {CANARY}", "name": CANARY}
        made = (await self.ask("POST", "/api/v1/sites/1/comments", body, **visitor)).json()["comment"]
        self.numbers = {"comment": made["id"], "visitor": made["author"]["id"], "item": f"comment:{made['id']}"}
        base = "/api/v1/sites/1"
        ban = {"kind": "name", "value": CANARY, "note": CANARY}
        self.numbers["ban"] = (await self.owner.ask("POST", f"{base}/bans", ban)).json()["id"]
        act = {"items": [self.numbers["item"]], "action": "seen", "why": CANARY}
        self.numbers["action"] = (await self.owner.ask("POST", f"{base}/moderation/actions", act)).json()["id"]
        note = {"text": CANARY}
        card = f"{base}/moderation/authors/{made['author']['id']}"
        self.numbers["note"] = (await self.owner.ask("POST", f"{card}/notes", note)).json()["id"]
        self.numbers["account"] = str(self.owner.account)

    def path(self, route: Route) -> str:
        """The route's address, of what site 1 has where it has such a thing."""
        def filled(match: re.Match[str]) -> str:
            name = match[1].partition(":")[0]
            return "1" if name == "site" else self.numbers.get(name, "1")

        return "/api/v1" + re.sub(r"\{([^}]+)\}", filled, route.path)

    def state(self, *without: str) -> list[tuple[Any, ...]]:
        """What a call that was let in could have changed, but for tables *without*."""
        return [
            row
            for table in ("comment", "ban", "moderation_action", "moderation_claim", "author_note", "author_warning",
                          "catalog.membership", "catalog.site_key", "moderation_rules", "audit", "poll")
            if table not in without
            for row in self.sql(f"select * from {table} x where site_id = 1 order by x::text")
        ]  # fmt: skip

    async def test_other_site(self) -> None:
        """Owners, moderators and servers of site 2, and nobody at all."""
        self.assertGreater(len(ROUTES), 50)
        others = [
            await sign_in(self, "owner", site=2), await sign_in(self, "moderator", site=2), await sign_in(self, ""),
            await site_key(self, SCOPES, site=2),
        ]  # fmt: skip
        before = self.state()
        for route in ROUTES:
            path = self.path(route)
            for who in others:
                for body in (None, {}) if route.body is not None else (None,):
                    answer = await who.ask(route.method, path, body)
                    self.assertIn(answer.status, (401, 403, 404), (route.name, who.name, answer))
                    self.assertNotIn(CANARY.encode(), answer.body, (route.name, who.name))
            nobody = await self.ask(route.method, path, {} if route.body is not None else None)
            self.assertIn(nobody.status, (401, 403), route.name)
        self.assertEqual(self.state(), before)

    async def test_role_is_enough_for(self) -> None:
        """Each role gets in where its table says so, and nowhere else."""
        people = {role: await sign_in(self, role, name="Colleague") for role in INCLUDES if role != "owner"}
        for route in ROUTES:
            for role, who in people.items():
                if includes(role, route.role):
                    continue
                answer = await who.ask(route.method, self.path(route), {} if route.body is not None else None)
                self.assertEqual((answer.status, answer.slug), (403, "role"), (route.name, role))
                self.assertNotIn(CANARY.encode(), answer.body, (route.name, role))

    async def test_keys(self) -> None:
        """Every call about the site works with a key of its scope, and with no other; but for what people do alone."""
        self.assertEqual({one.name for one in ROUTES if not one.scope}, PEOPLE_ALONE)
        own = {scope: await site_key(self, [scope], name=scope) for scope in SCOPES}
        most = {scope: await site_key(self, [s for s in SCOPES if s != scope], name=f"no {scope}") for scope in SCOPES}
        everything = await site_key(self, SCOPES, name="all")
        # That a key was used is noted in its row.
        before = self.state("catalog.site_key")
        for route in ROUTES:
            body = {} if route.body is not None else None
            who = most[route.scope] if route.scope else everything
            answer = await who.ask(route.method, self.path(route), body)
            self.assertEqual((answer.status, answer.slug), (403, "role"), route.name)
        self.assertEqual(self.state("catalog.site_key"), before)
        for route in ROUTES:
            if not route.scope:
                continue
            answer = await own[route.scope].ask(route.method, self.path(route), {} if route.body is not None else None)
            self.assertNotIn(answer.status, (401, 500), (route.name, answer))
            if answer.status == 403:
                # A member of a higher rank: that is looked at after the key.
                self.assertIn(route.name, ("removeMember", "changeMember"), answer)
