"""A second product, registered by one line: all that is not its own package works for it as it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import jwt
from openapi_spec_validator import validate
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.errors import BadField
from cackled.events import channel_id
from cackled.products.product import Product
from cackled.products.registry import Registry
from tests.api.common import Answer, ApiCase
from tests.cluster.test_worker_daemon import WorkersCase
from tests.support.client import Visitor, call
from tests.support.moving import MovingCase
from tests.support.peers import Listener
from tests.support.wall import WALL
from tests.support.wall_daemon import BOTH, WallDaemon, run_cackled

clock: Any = reactor
SECRET = "0123456789abcdef" * 3


class WallCase(ApiCase):
    """Comments and the wall."""

    products = BOTH

    async def put(self, auth: str, words: str = "nice", key: str = "page", site: int = 1, token: str = "") -> Answer:
        """Put a reaction."""
        body = {"channel": key, "name": "Ann", "words": words}
        query = f"?token={token}" if token else ""
        return await self.ask("POST", f"/api/v1/sites/{site}/reactions{query}", body, authorization=auth)

    async def wall(self, key: str = "page", site: int = 1, query: str = "") -> Answer:
        """Read a wall."""
        return await self.ask("GET", f"/api/v1/sites/{site}/wall?channel={quote(key)}{query}")

    async def first(self, key: str = "page", site: int = 1) -> Answer:
        """The first render of the widget."""
        return await self.ask("GET", f"/bootstrap?widget=Wall&site={site}&channel={quote(key)}")

    async def listen(self, subs: str) -> Listener:
        """A WebSocket client of some channels that has caught up."""
        made = await connectProtocol(TCP4ClientEndpoint(clock, "127.0.0.1", self.port), Listener(subs))
        self.addCleanup(made.transport.abortConnection)
        await made.has(b'"recovered"')
        return made


class WallTests(WallCase):
    """In one process."""

    async def test_routes(self) -> None:
        """Its routes take and give what it says, its function's refusals are problems of its own."""
        auth = await self.visitor()
        put = await self.put(auth, "nice")
        self.assertEqual((put.status, put.json()["reaction"]["words"]), (201, "nice"))
        found = (await self.wall()).json()
        self.assertEqual((found["count"], found["reactions"], found["position"]),
                         (1, [put.json()["reaction"]], put.json()["position"]))  # fmt: skip
        refused = await self.put(auth, "boring")
        self.assertEqual((refused.status, refused.slug, refused.json()["field"]), (422, "boring", "words"))
        self.assertEqual((await self.put(auth, "")).slug, "bad-field")
        self.assertEqual((await self.put("")).status, 401)
        self.assertEqual((await self.ask("OPTIONS", "/api/v1/sites/1/wall", origin="https://one.example")).status, 204)
        self.assertEqual((await self.ask("PATCH", "/api/v1/sites/1/wall")).headers["allow"], "GET, HEAD, OPTIONS")

    async def test_settings(self) -> None:
        """A site's owner chooses, operators see it, and browsers are told; for one site alone."""
        auth = await self.visitor()
        self.assertEqual((await self.first()).json()["site"]["settings"]["longest"], 40)
        await self.application.sites.change(1, "wall.longest", 5)
        self.assertEqual((await self.put(auth, "longer")).json()["field"], "words")
        self.assertEqual((await self.put(auth, "short")).status, 201)
        self.assertEqual((await self.put(await self.visitor(2), "longer", site=2)).status, 201)
        self.assertEqual((await self.first()).json()["site"]["settings"]["longest"], 5)
        held = json.loads(self.sql("select settings::text from catalog.site where id = 1")[0][0])
        self.assertEqual(held["products"], {"wall": {"longest": 5}})
        with self.assertRaises(BadField):
            await self.application.sites.change(1, "wall.longest", 41)

    async def test_description(self) -> None:
        """The OpenAPI text is whole, and has its routes, its widget and its problems."""
        document = (await self.ask("GET", "/api/v1/openapi.json")).json()
        validate(document)
        put = document["paths"]["/sites/{site}/reactions"]["post"]
        self.assertIn("boring", json.dumps(put["responses"]["422"]))
        self.assertIn("Wall", document["paths"]["/bootstrap"]["get"]["parameters"][0]["schema"]["enum"])

    async def test_first_render(self) -> None:
        """By widget; a write is in the next one; comments of the same page are another channel."""
        auth = await self.visitor()
        empty = (await self.first()).json()
        self.assertEqual((empty["reactions"], empty["me"], empty["site"]["id"]), ([], None, "1"))
        position = (await self.put(auth)).json()["position"]
        self.assertEqual(position, f"1/{channel_id('wall', 'page')}@1")
        self.assertEqual((await self.first()).json()["position"], position)
        await self.post(auth, "a comment")
        self.assertEqual((await self.bootstrap()).json()["position"], f"1/{channel_id('comments', 'page')}@1")
        self.assertEqual((await self.first()).json()["position"], position)
        self.assertEqual(self.sql("select product, seq from channel order by 1"), [("comments", 1), ("wall", 1)])
        self.assertEqual((await self.ask("GET", "/bootstrap?widget=Moat&site=1&channel=page")).slug, "bad-field")

    async def test_erased(self) -> None:
        """Its events come over a WebSocket; words of the forgotten leave table, log, outbox and live history."""
        ann, bob = await self.visitor(), await self.visitor()
        sub = f"sub=1/{channel_id('wall', 'page')}"
        listener = await self.listen(f"{sub}@0")
        await self.put(ann, "secret words")
        await self.put(bob, "words that stay")
        await listener.has(b"words that stay")
        self.assertIn(b'"type":"reaction.put","data":{"reaction":{"id":"1","author":', listener.data)
        self.sql("insert into outbox (site_id, kind, body) select 1, 'webhook', data from event")
        told = await self.application.erasures.erase(1, int(self.visitor_of(ann)))
        self.assertEqual(told, 1)
        await listener.has(b"reaction.gone")
        late = await self.listen(f"{sub}@0")
        await late.has(b"reaction.gone")
        scrubbed = b'"data":{"reaction":{"id":"1","author":null,"words":""},"reactions":1}'
        self.assertIn(scrubbed, late.data)
        self.assertIn(b"words that stay", late.data)
        self.assertNotIn(b"secret words", late.data)
        for table in ("reaction", "event", "outbox", "visitor"):
            held = json.dumps(self.sql(f"select x::text from {table} x"))
            self.assertNotIn("secret words", held, table)
        self.assertIn("words that stay", json.dumps(self.sql("select data from event")))
        self.assertEqual((await self.wall()).json()["count"], 1)

    async def test_many_are_erased(self) -> None:
        """In batches."""
        ann = await self.visitor()
        self.patch(__import__("cackled.domain.erasure", fromlist=["x"]), "BATCH", 2)
        for number in range(5):
            await self.put(ann, f"secret {number}", key=f"page{number % 2}")
        self.assertEqual(await self.application.erasures.erase(1, int(self.visitor_of(ann))), 5)
        self.assertNotIn("secret", json.dumps(self.sql("select data from event")))

    async def test_deleted_with_its_site(self) -> None:
        """Its rows are counted before, and gone after."""
        await self.put(await self.visitor())
        await self.put(await self.visitor(2), site=2)
        held = await self.application.deletions.holdings(1)
        self.assertEqual((held["pages"], held["comments"], held["reactions"]), (1, 0, 1))
        await self.application.deletions.delete(1)
        self.assertEqual(self.sql("select site_id from reaction union all select site_id from wall"), [(2,), (2,)])

    async def test_tenants(self) -> None:
        """Neither of two sites hears, reads or finds in a cache what is on the other's wall of the same name."""
        subs = f"sub=1/{channel_id('wall', 'page')}@0"
        one, two = await self.visitor(), await self.visitor(2)
        listener = await self.listen(subs)
        for number in range(5):
            await self.put(one, f"canary1 {number}")
            await self.put(two, f"canary2 {number}", site=2)
            for answer in (await self.wall(), await self.first(), await self.first()):
                self.assertIn(b"canary1", answer.body)
                self.assertNotIn(b"canary2", answer.raw)
            for answer in (await self.wall(site=2), await self.first(site=2), await self.first(site=2)):
                self.assertIn(b"canary2", answer.body)
                self.assertNotIn(b"canary1", answer.raw)
        await listener.has(b"canary1 4")
        self.assertNotIn(b"canary2", listener.data)
        self.assertEqual((await self.put(one, site=2)).status, 401)
        for (_, _, target), kept in self.infrastructure.microcache.entries.items():
            if b"canary1" in kept.body:
                self.assertIn(b"site=1&", target)
                self.assertEqual({tag[0] for tag in kept.tags}, {1})  # type: ignore[index]

    async def test_private(self) -> None:
        """A grant of a page covers its wall, and no other page's."""
        auth = await self.visitor()
        await self.application.sites.change(1, "channel_secret", SECRET)
        await self.application.sites.change(1, "private", True)
        claims = {"aud": "site:1", "exp": 4_000_000_000, "channels": ["members"]}
        token = jwt.encode(claims, SECRET, "HS256")
        self.assertEqual((await self.put(auth, key="members")).status, 401)
        self.assertEqual((await self.put(auth, key="members", token=token)).status, 201)
        self.assertEqual((await self.wall("members", query=f"&token={token}")).json()["count"], 1)
        self.assertEqual((await self.wall("guests", query=f"&token={token}")).slug, "not-granted")


class LimitTests(WallCase):
    """Its rate limit."""

    toml = '[limits.calls."wall.put"]\nrate = 0.001\nburst = 2\n'

    async def test_limit(self) -> None:
        """By the name that it has in the configuration; that of comments is another."""
        auth = await self.visitor()
        self.assertEqual([(await self.put(auth)).status for _ in range(3)], [201, 201, 429])
        await self.post(auth, "a comment")


class WallMoverTests(MovingCase):
    """Between shards."""

    names = ["wallzero", "wallone"]
    products: tuple[Product, ...] = BOTH

    async def test_move(self) -> None:
        """Its rows move with their site, and are counted before they are deleted where they were; numbers go on."""
        for site in (1, 2):
            for number in range(3):
                self.sql(0, "select put_reaction(%s, 7, 'k', 9, 'n', %s)", site, f"words {number}")
        before = self.sql(0, "select * from reaction where site_id = 1 order by id")
        await self.mover().move([1], 1)
        self.assertEqual(self.sql(1, "select * from reaction where site_id = 1 order by id"), before)
        self.assertEqual(self.sql(0, "select site_id, count(*) from reaction group by 1"), [(2, 4)])
        self.assertIn((1, 3), self.sql(1, "select site_id, reactions from wall"))
        self.sql(1, "select put_reaction(1, 7, 'k', 9, 'n', 'more')")
        self.assertGreater(self.sql(1, "select max(id) from reaction")[0][0], 1 << 48)


class DaemonTests(SynchronousTestCase):
    """In a process of its own, from an empty folder."""

    def test_configuration(self) -> None:
        """Its settings have defaults in the configuration; its settings and limits are listed and explained."""
        extra = '[demo]\nenabled = false\n[products.wall]\nlongest = 7\n'
        extra += '[limits.calls."wall.put"]\nrate = 9\nburst = 3\n'
        daemon = WallDaemon.for_test(self, extra)
        daemon.admin("site add one one.example")
        shown = json.dumps(daemon.admin("site settings 1"))
        self.assertIn("wall.longest", shown)
        first = call(f"{daemon.url}/bootstrap?widget=Wall&site=1&channel=x")
        self.assertEqual(first.json()["site"]["settings"]["longest"], 7)
        daemon.admin("site set 1 wall.longest 9")
        answer = Visitor(daemon.url).call("/reactions", "POST", {"channel": "x", "name": "A", "words": "0123456789"})
        self.assertEqual((answer.status, answer.json()["field"]), (400, "words"))
        printed = run_cackled(daemon.folder, "default-config")
        self.assertIn("[products.wall]", printed.stdout)

    def test_backup(self) -> None:
        """Its migrations and functions are applied at the start; a backup counts its rows."""
        daemon = WallDaemon.for_test(self, '[demo]\nenabled = false\n')
        daemon.admin("site add one one.example")
        ann = Visitor(daemon.url)
        for words in ("nice", "good"):
            body = {"channel": "page", "name": "Ann", "words": words}
            self.assertEqual(ann.call("/reactions", "POST", body).status, 201)
        self.assertEqual(call(f"{daemon.url}/bootstrap?widget=Wall&site=1&channel=page").json()["count"], 2)
        copy = daemon.folder / "copy"
        made = run_cackled(daemon.folder, "backup", str(copy), "-c", str(daemon.config))
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(json.loads((copy / "manifest.json").read_text())["counts"]["reactions"], 2)
        self.assertIn("2 reactions", made.stdout)


class DeclarationTests(SynchronousTestCase):
    """What it declares is checked when it is registered."""

    def test_words_are_erased(self) -> None:
        """Events with words that nothing erases are refused."""
        self.assertRaises(ValueError, Registry, [Product(name="wall", events=WALL.events)])


class WallWorkersTests(WorkersCase):
    """In two worker processes."""

    kind = WallDaemon

    def test_workers(self) -> None:
        """What is written through either shows live and in answers of both; its limit is one for both."""
        calls = '[limits.calls."wall.put"]\nrate = 0.001\nburst = 8\n'
        daemon = self.run_workers(f"[limits]\nsessions_burst = 100\n{calls}", exempt=False)
        ann = Visitor(daemon.url)
        clients = self.sockets(4, f"1/{channel_id('wall', 'page')}@0")
        put = [ann.call("/reactions", "POST", {"channel": "page", "name": "Ann", "words": f"w{n}"}) for n in range(24)]
        done = [one.json()["position"] for one in put if one.status == 201]
        self.assertTrue(8 <= len(done) <= 12, [one.status for one in put])
        self.until(lambda: all(len(one.of("reaction.put")) == len(done) for one in clients))
        for one in clients:
            self.assertEqual([f"{m['sub']}@{m['seq']}" for m in one.of("reaction.put")], done)
        for number in range(8):
            pages = (call(f"{daemon.url}/bootstrap?widget=Wall&site=1&channel=page&n={number}"),
                     ann.call("/wall?channel=page"))  # fmt: skip
            self.assertEqual([(page.json()["count"], page.json()["position"]) for page in pages],
                             [(len(done), done[-1])] * 2)  # fmt: skip
        self.assertNotIn("Traceback", daemon.log())
