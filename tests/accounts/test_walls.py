"""Every route for staff, whoever declares it: who may not call it, and that nothing of another site comes through."""

from __future__ import annotations

from typing import Any

from cackled.accounts.hosts import Hosts
from cackled.accounts.keys import SiteKeys
from cackled.accounts.members import Members
from cackled.api.route import Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.staff import ROLES, SCOPES, Staff, includes
from cackled.features import registry
from tests.api.common import Answer, ApiCase
from tests.support.staff import StaffClient, sign_in, site_key

STAFF = tuple(route for route in registry().routes if route.caller is Caller.STAFF)
OF_SITES = tuple(route for route in STAFF if route.about_site)
CANARY = "canary7f3a"


def path_of(route: Route, site: int, value: str = "1") -> str:
    """The address of a route on a site, with *value* for all that its path names."""
    parts = []
    for segment in route.segments:
        name = segment[1:-1].partition(":")[0] if segment.startswith("{") else ""
        parts.append(str(site) if name == "site" else value if name else segment)
    return "/api/v1/" + "/".join(parts)


class WallTests(ApiCase):
    """Roles, scopes, sites."""

    toml = '[limits]\nexempt = ["127.0.0.0/8"]\n'

    async def refused(self, who: StaffClient, route: Route, site: int, slug: str) -> None:
        """See that a call is refused for that reason, whatever its body would be."""
        body: Any = {} if route.method in ("POST", "PUT", "PATCH") else None
        answer: Answer = await who.ask(route.method, path_of(route, site), body)
        self.assertEqual(answer.slug, slug, (route.name, who.name))
        self.assertNotIn("access-control-allow-origin", answer.headers, route.name)

    async def test_there_are_many(self) -> None:
        """What is walked here is not nothing."""
        self.assertGreater(len(OF_SITES), 15)

    async def test_strangers(self) -> None:
        """Nobody, with or without a visitor's session."""
        session = (await self.session())["token"]
        nobody = StaffClient(self, 0, "nobody", {"origin": "http://localhost", "x_cackled_panel": "1"})
        visitor = StaffClient(self, 0, "visitor", {"authorization": f"Bearer {session}"})
        for route in STAFF:
            await self.refused(nobody, route, 1, "signed-out")
            await self.refused(visitor, route, 1, "bad-key")

    async def test_other_site(self) -> None:
        """Whoever owns site 1, or has all keys to it, is nobody on site 2."""
        owner = await sign_in(self, "owner", site=1)
        key = await site_key(self, list(SCOPES), site=1)
        for route in OF_SITES:
            await self.refused(owner, route, 2, "role")
            await self.refused(key, route, 2, "bad-key")

    async def test_roles(self) -> None:
        """On their own site people may what their role includes, and no more: an operator does not moderate."""
        for role in ROLES:
            who = await sign_in(self, role)
            for route in OF_SITES:
                if not includes(role, route.role):
                    await self.refused(who, route, 1, "role")
        operators = {route.role for route in OF_SITES if includes("operator", route.role)}
        self.assertLessEqual(operators, {"operator", "any"})
        analysts = [route for route in OF_SITES if includes("analyst", route.role) and route.role != "any"]
        self.assertEqual([route.name for route in analysts if route.method not in ("GET", "POST")], [])

    async def test_scopes(self) -> None:
        """A key may what its scopes say; what is for people alone, none."""
        for scope in SCOPES:
            key = await site_key(self, [scope], name=scope)
            for route in OF_SITES:
                if route.scope != scope:
                    await self.refused(key, route, 1, "role")

    async def test_forged(self) -> None:
        """What changes something is taken from no page but ours, whoever is signed in."""
        owner = await sign_in(self, "owner")
        for route in STAFF:
            path = path_of(route, 1)
            if route.method != "GET":
                answer = await owner.ask(route.method, path, None, origin="https://one.example")
                self.assertEqual(answer.slug, "own-origin", route.name)
                answer = await owner.ask(route.method, path, None, x_cackled_panel=None)
                self.assertEqual(answer.slug, "own-origin", route.name)

    async def test_canary(self) -> None:
        """The owner of site 1 names what is of site 2 wherever a number or a name can be given: nothing of it is told
        or changed."""
        shared, site = self.application.shared, self.application.sites.get(2)
        victim = await sign_in(self, "owner", site=2, email=f"{CANARY}@two.example", name=CANARY)
        by = Staff(account=victim.account, name=CANARY, role="owner")
        invited, _, invitation = await shared[Members].invite(by, 2, f"x{CANARY}@two.example", "admin", [CANARY])
        key, _ = await shared[SiteKeys].add(2, CANARY, ["sync", "sso"])
        await shared[Hosts].add(2, f"{CANARY}.example")
        await Audit(site, self.application.database).record(by, "settings.changed", f"site:{CANARY}")
        await self.application.sites.change(2, "webhook_secret", CANARY)
        await self.application.sites.change(2, "moderator_email", f"{CANARY}@two.example")
        before = self.state()
        owner = await sign_in(self, "owner", site=1)
        seen = b""
        numbers = [str(victim.account), str(invitation), str(key), f"{CANARY}.example", "1", "2"]
        for route in OF_SITES:
            if route.name in ("askDeletion",):
                continue
            for value in dict.fromkeys(numbers if route.parameters != ("site",) else ["1"]):
                body: Any = {"role": "owner", "overlap": 0, "name": "One", "email": invited, "scopes": ["read"]}
                if route.body is not None:
                    body = {k: v for k, v in body.items() if k in route.body.__struct_fields__}
                    if route.name == "invite":
                        body |= {"email": "other@one.example", "role": "admin"}
                tag = (await owner.ask("GET", "/api/v1/sites/1/settings")).headers["etag"]
                sent = body if route.method in ("POST", "PUT", "PATCH") else None
                seen += (await owner.ask(route.method, path_of(route, 1, value), sent, if_match=tag)).raw
        self.assertNotIn(CANARY.encode(), seen.replace(f"{CANARY}.example".encode(), b""))
        self.assertEqual(self.state(), before)

    def state(self) -> list[Any]:
        """All that site 2 has in the catalog, and its log."""
        return [
            self.sql(f"select * from {table} where site_id = 2 order by 1, 2")
            for table in ("catalog.membership", "catalog.invitation", "catalog.site_key", "catalog.site_host",
                          "catalog.domain", "catalog.site_farewell", "audit")
        ] + [self.sql("select * from catalog.site where id = 2")]  # fmt: skip
