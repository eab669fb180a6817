"""Pictures of sites that not everybody may read: at signed addresses alone, wherever an answer names them."""

from __future__ import annotations

import re
from typing import Any

from cackled.clock import wall_time
from cackled.daemon.event_router import EventLog, EventRouter
from cackled.database.eventlog import load_events
from cackled.domain.signed_media import SignedMedia
from cackled.events import Event
from tests.api.common import ORIGIN, Answer
from tests.api.test_private import SECRET, grant
from tests.media import corpus
from tests.media.test_media import MediaCase

PLAIN = re.compile(rb"/media/[0-9]+-[A-Za-z0-9_-]{22}/[\w.-]+\"")
SIGNED = re.compile(rb"/media/[0-9]+-[A-Za-z0-9_-]{22}/[0-9a-f]{8}-[A-Za-z0-9_-]{22}/[\w.-]+(?=\")")


class PrivateTests(MediaCase):
    """A comment of site 1 shows a picture."""

    async def setUp(self) -> None:
        await super().setUp()
        made = await self.added(corpus.picture())
        body = {**self.comment("look", "members"), "media": [made["id"]]}
        answer = await self.ask("POST", "/api/v1/sites/1/comments", body, authorization=self.auth, origin=ORIGIN)
        self.assertEqual(answer.status, 201, answer)
        self.number = made["id"]
        self.plain = f"/media/{self.number}/320.webp"
        await self.application.sites.change(1, "channel_secret", SECRET)

    async def close_site(self, how: str) -> str:
        """Close it; gives what opens a read."""
        if how == "private":
            await self.application.sites.change(1, "private", True)
            return f"&token={grant()}"
        await self.application.sites.change(1, "readers", "signed-in")
        return f"&token={grant(name='Ann', sub='7')}"

    async def reads(self, more: str) -> list[Answer]:
        """All answers that name the picture."""
        found = [
            await self.ask("GET", f"{path}{more}")
            for path in (
                "/bootstrap?widget=Comment&site=1&channel=members", "/api/v1/sites/1/comments?channel=members",
            )
        ]  # fmt: skip
        self.assertEqual([one.status for one in found], [200, 200], found)
        return found

    async def test_open(self) -> None:
        """An open site's pictures stand at plain addresses."""
        self.assertEqual((await self.ask("GET", self.plain)).status, 200)
        for answer in await self.reads(""):
            self.assertTrue(PLAIN.search(answer.body) and not SIGNED.search(answer.body))

    async def test_closed(self) -> None:
        """A closed one's do not: who may read is given addresses that work, and are for nobody's shared cache."""
        for how in ("private", "readers"):
            more = await self.close_site(how)
            self.assertEqual((await self.ask("GET", self.plain)).status, 404, how)
            for answer in await self.reads(more):
                self.assertIsNone(PLAIN.search(answer.body), answer)
                found = SIGNED.search(answer.body)
                assert found is not None
                got = await self.ask("GET", found[0].decode())
                self.assertEqual(got.status, 200)
                self.assertRegex(got.headers["cache-control"], "^private")
                other = found[0].decode().replace("/media/1-", "/media/2-")
                self.assertEqual((await self.ask("GET", other)).status, 404)
            await self.application.sites.change(1, "private", False)
            await self.application.sites.change(1, "readers", "everyone")
        self.assertEqual((await self.ask("GET", self.plain)).status, 200)

    async def test_live(self) -> None:
        """What readers are told live is signed too; what they missed as well."""
        await self.close_site("private")
        channel = self.sql("select channel_id from event where type like 'comment%%' limit 1")[0][0]
        application = self.application
        log = EventLog(application.database, application.sites, application.signed_media, {})
        _, events = await log.events(1, channel, 0, 10)
        assert events
        given: list[Event] = []
        infrastructure = self.infrastructure
        router = EventRouter(
            sites=application.sites, hub=application.hub, cache=infrastructure.cache,
            microcache=infrastructure.microcache, outward=None, signer=application.signed_media,
        )  # fmt: skip
        self.patch(application.hub, "deliver", given.append)
        for event in await self.plain_events(channel):
            router.arrived(event)
        for event in (*events, *given):
            self.assertTrue(SIGNED.search(event.data) and not PLAIN.search(event.data), event)
        self.assertEqual(len(given), len(events))

    async def plain_events(self, channel: int) -> list[Event]:
        """The events of a channel as the log has them."""
        _, events = await load_events(self.application.database, 1, channel, 0, 10)
        return [event for event in events or () if PLAIN.search(event.data)]


class AddressTests(MediaCase):
    """What is signed in a text."""

    async def test_texts(self) -> None:
        """Whole addresses of this site in JSON, HTML and HTML within them; nothing else, and nothing twice."""
        signer = self.application.shared[SignedMedia]
        site: Any = self.application.sites.get(1)
        one = b"/media/1-" + b"x" * 22 + b"/320.webp"
        texts = (
            b'{"url":"%s"}', b"<img src='%s'>", b'{"html":"<img src=\\"%s\\">"}', b"&lt;img src=&quot;%s&quot;&gt;",
        )  # fmt: skip
        for text in texts:
            self.assertEqual(signer.in_site(text % one, site), text % one)
        await self.application.sites.change(1, "private", True)
        site = self.application.sites.get(1)
        for text in texts:
            made = signer.in_site(text % one, site)
            self.assertIn(b"/media/1-" + b"x" * 22 + b"/%08x" % ((int(wall_time()) // 3600 + 2) * 3600), made)
            self.assertEqual(signer.in_site(made, site), made)
        for other in (one.replace(b"1-", b"2-"), one + b"/x", one[:-30], b"/media/1-" + b"x" * 21 + b"/320.webp"):
            self.assertEqual(signer.in_site(b'"%s"' % other, site), b'"%s"' % other)
