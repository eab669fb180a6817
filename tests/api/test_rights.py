"""Who may do what: every address of the API, for every kind of caller, in the own channel, another one, another
site."""

from __future__ import annotations

from itertools import product
from time import time
from typing import Any, NamedTuple
from urllib.parse import quote

import jwt

from cackled.api import core
from cackled.domain.channels import ChannelRef, parse_id
from cackled.domain.sessions import Session
from cackled.events import channel_id
from cackled.products.comments import api as comments_api
from cackled.products.comments.service import Comments
from tests.api.common import ApiCase

SECRET = "a secret of the site that is long enough"
OTHER_SECRET = "a secret of somebody else, long enough too"


def grant(secret: str = SECRET, **claims: Any) -> str:
    """A token, of site 1 unless the claims say otherwise."""
    return jwt.encode({"aud": "site:1", "exp": int(time()) + 600, **claims}, secret, algorithm="HS256")


class Route(NamedTuple):
    """An address. *asks* is what the caller needs a grant of: ``site`` (anything), ``channel``, ``comment`` (its
    channel), ``all``. *mine*: only who wrote the comment may."""

    method: str
    path: str
    asks: str
    body: Any = None
    session: bool = True
    mine: bool = False


SITE = "/api/v1/sites/{site}"
ROUTES = [
    Route("POST", f"{SITE}/sessions", "site", {}, session=False),
    Route("GET", f"{SITE}/comments?channel={{key}}", "channel", session=False),
    Route("POST", f"{SITE}/comments", "channel", {"channel": {"key": "{key}"}, "text": "more", "name": "Ann"}),
    Route("POST", f"{SITE}/comments/preview", "site", {"text": "*more*"}),
    Route("GET", f"{SITE}/comments/{{comment}}", "all", session=False),
    Route("PATCH", f"{SITE}/comments/{{comment}}", "comment", {"text": "other words"}, mine=True),
    Route("DELETE", f"{SITE}/comments/{{comment}}", "comment", mine=True),
    Route("PUT", f"{SITE}/comments/{{comment}}/vote", "comment", {"value": 1}),
    Route("PUT", f"{SITE}/comments/{{comment}}/reactions/like", "comment"),
    Route("DELETE", f"{SITE}/comments/{{comment}}/reactions/like", "comment"),
    Route("POST", f"{SITE}/comments/{{comment}}/flags", "comment", {"reason": "rude"}),
    Route("GET", f"{SITE}/blocks", "site"),
    Route("PUT", f"{SITE}/blocks/77", "site"),
    Route("DELETE", f"{SITE}/blocks/77", "site"),
    Route("GET", f"{SITE}/visitors/77/comments", "all", session=False),
    Route("GET", f"{SITE}/comments/filtered?channel={{key}}&by=staff", "channel", session=False),
    Route("GET", f"{SITE}/comments/lately?size=3", "all", session=False),
    Route("GET", f"{SITE}/mentions?channel={{key}}&q=a", "channel"),
    Route("GET", f"{SITE}/counts?channel={{key}}", "channel", session=False),
    Route("GET", "/bootstrap?widget=Comment&site={site}&channel={key}", "channel", session=False),
    Route("GET", "/rt/poll?wait=0&sub={site}/{channel}", "channel", session=False),
]
GRANTS: dict[str, list[str]] = {
    "none": [], "rubbish": ["rubbish"], "expired": [grant(exp=1)], "another secret": [grant(OTHER_SECRET)],
    "another site": [grant(aud="site:2")], "own channel": [grant(channels=["own"])],
    "other channel": [grant(channels=["other"])], "no channel": [grant(channels=[])],
    "both channels": [grant(channels=["own"]), grant(channels=["other"])],
    "own and expired whole": [grant(channels=["own"]), grant(exp=1)], "whole": [grant()],
}  # fmt: skip
COVERS = {
    "own channel": {"own"}, "other channel": {"other"}, "no channel": set(), "both channels": {"own", "other"},
    "own and expired whole": {"own"}, "whole": {"own", "other"},
}  # fmt: skip


class RightsTests(ApiCase):
    """Sites 1 and 2, of which the first is private where a test says so."""

    async def setUp(self) -> None:
        await super().setUp()
        self.author = await self.visitor()
        self.stranger = await self.visitor()
        self.foreign = await self.visitor(2)

    async def write(self, key: str) -> str:
        """A new comment of the author; gives its id."""
        author = Session(1, parse_id(self.visitor_of(self.author)))
        written = await self.application.services[Comments](self.site).post(author, ChannelRef(key), "words", "Ann")
        return str(written.comment.partition(b'"id":"')[2].partition(b'"')[0].decode())

    async def call(self, route: Route, *, site: int = 1, key: str = "own", comment: str = "", auth: str | None = None,
                   tokens: Any = ()) -> tuple[int, str]:  # fmt: skip
        """The status, and the slug of a refusal."""
        path = route.path.format(site=site, key=quote(key), comment=comment, channel=channel_id("comments", key))
        for token in tokens:
            path += f"{'&' if '?' in path else '?'}token={token}"
        body = route.body
        if body and "channel" in body:
            body = {**body, "channel": {"key": key}}
        answer = await self.ask(route.method, path, body, authorization=auth)
        return answer.status, answer.slug if answer.status >= 400 else ""

    def test_table(self) -> None:
        """Every route of the API is in the table."""
        known = {(route.method, route.path.partition("?")[0].partition("{site}")[2]) for route in ROUTES}
        for route in (*core.ROUTES, *comments_api.ROUTES):
            path = route.path.replace("{author}", "77").replace("{visitor}", "77").replace("{name:text}", "like")
            self.assertIn((route.method, path.partition("{site}")[2]), known)

    async def test_private(self) -> None:
        """On a private site: only with a grant that holds, only where it reaches, only as oneself."""
        comments = {key: await self.write(key) for key in ("own", "other")}
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        for route, (name, tokens), key in product(ROUTES, GRANTS.items(), ("own", "other")):
            auth = self.author if route.session or route.asks == "all" else None
            got = await self.call(route, key=key, comment=comments[key], auth=auth, tokens=tokens)
            covers = COVERS.get(name)
            if covers is None:
                wanted = (401, "no-token" if name == "none" else "bad-token")
            elif name != "whole" and (route.asks == "all" or (route.asks != "site" and key not in covers)):
                wanted = (403, "not-granted")
            else:
                wanted = (got[0] if got[0] < 300 else 200, "")
            self.assertEqual(got, wanted, (route, name, key))
            if route.method == "DELETE" and route.mine and got[0] == 200:
                comments[key] = await self.write(key)

    async def test_nothing_is_told(self) -> None:
        """With a grant of one channel, what is in another one can't be told from what does not exist."""
        other = await self.write("other")
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        for route in ROUTES:
            if route.asks != "comment":
                continue
            for comment in (other, "123", str(2**63 - 1)):
                got = await self.call(route, comment=comment, auth=self.author, tokens=GRANTS["own channel"])
                self.assertEqual(got, (403, "not-granted"), (route, comment))
            got = await self.call(route, comment="123", auth=self.author, tokens=GRANTS["whole"])
            self.assertEqual(got, (404, "comment"), route)

    async def test_refused_changes_nothing(self) -> None:
        """What was refused left no trace."""
        comment = await self.write("other")
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        before = self.sql("select * from comment"), self.sql("select * from flag"), self.sql("select * from vote")
        for route in ROUTES:
            if route.asks == "comment":
                await self.call(route, comment=comment, auth=self.author, tokens=GRANTS["own channel"])
        after = self.sql("select * from comment"), self.sql("select * from flag"), self.sql("select * from vote")
        self.assertEqual(before, after)

    async def test_sessions(self) -> None:
        """What needs a session takes none but the site's own; what is another's is changed by nobody else."""
        comment = await self.write("own")
        for route in ROUTES:
            if route.session:
                for auth in (None, "Bearer rubbish", self.foreign):
                    got = await self.call(route, comment=comment, auth=auth)
                    self.assertEqual(got[0], 401, (route, auth))
            if route.mine:
                self.assertEqual(await self.call(route, comment=comment, auth=self.stranger), (403, "author"), route)

    async def test_other_site(self) -> None:
        """A number of one site is nothing in another."""
        comment = await self.write("own")
        for route in ROUTES:
            if "{comment}" in route.path:
                got = await self.call(route, site=2, comment=comment, auth=self.foreign)
                self.assertEqual(got[0], 404, route)
        self.assertEqual(self.sql("select up, n_flags, status from comment"), [(0, 0, 1)])
