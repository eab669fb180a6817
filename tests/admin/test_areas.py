"""The console over the real parts: how their figures and errors are told. The parts themselves are stand-ins."""

from __future__ import annotations

from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin import activity, areas
from cackled.admin.render import as_text
from cackled.cluster.liveness import PeerState
from cackled.cluster.membership import Membership
from cackled.config import Node
from cackled.domain.commands import CommandError
from cackled.domain.errors import BadField, Misdirected, NotFound
from cackled.domain.residency import Residency
from cackled.domain.settings import SiteSettings
from cackled.domain.site import build_site
from cackled.metrics import Metrics
from cackled.products import PRODUCTS
from cackled.products.registry import Registry

SHAPE = Registry(PRODUCTS).settings({})


class Directory:
    """Sites in a dictionary; what was asked of it in `asked`."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        settings = SiteSettings(webhook_secret="hunter2")
        self.residency = Residency()
        self.shape = SHAPE
        self.known = {1: SimpleNamespace(id=1, name="demo", patterns=("localhost:*",), settings=settings, products=())}

    def all(self) -> Any:
        return self.known.values()

    def get(self, site: int) -> Any:
        if site == 8:
            raise Misdirected.to("eu", "https://eu.example")
        if site not in self.known:
            raise NotFound("no such site")
        return self.known[site]

    async def add(self, name: str, origins: Any, *, site_id: int | None = None) -> Any:
        if name == "race" or site_id == 1:
            return None
        if name == "bad":
            raise BadField("A name has letters.", field="name")
        return SimpleNamespace(id=7)

    async def add_origin(self, site: int, pattern: str) -> None:
        self.asked.append((site, pattern))
        raise BadField("That is no origin.", field="origin")

    async def change(self, site: int, key: str, value: Any) -> Any:
        self.asked.append((key, value))
        stored = {"products": {"comments": {key[9:]: value}}} if key.startswith("comments.") else {key: value}
        return build_site(1, "", msgspec.json.encode(stored).decode(), (), SHAPE)


class AreaCase(SynchronousTestCase):
    def outcome(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def refusal(self, work: Coroutine[Any, Any, Any]) -> str:
        return str(self.failureResultOf(Deferred.fromCoroutine(work), CommandError).value)


class SitesTests(AreaCase):
    def setUp(self) -> None:
        self.directory: Any = Directory()
        self.sites = areas.Sites(self.directory)

    def test_secrets_are_not_shown(self) -> None:
        """A site's facts have its settings, without those that are secret."""
        facts = self.outcome(self.sites.site(1))
        self.assertEqual((facts["site"], facts["name"], facts["comments.votes"]), (1, "demo", True))
        self.assertNotIn("hunter2", repr(facts))
        self.assertNotIn("hunter2", repr(self.outcome(self.sites.sites())))

    def test_set(self) -> None:
        """Text becomes the setting's type; what can't is told with the setting's name; a secret is not repeated."""
        self.assertEqual(self.outcome(self.sites.set(1, "edit_seconds", "60")), 60)
        self.assertIs(self.outcome(self.sites.set(1, "comments.votes", "false")), False)
        self.assertEqual(self.outcome(self.sites.set(1, "webhook_secret", "hunter3")), "(set)")
        self.assertEqual(
            self.directory.asked,
            [("comments.edit_seconds", 60), ("comments.votes", False), ("webhook_secret", "hunter3")],
        )
        self.assertTrue(self.refusal(self.sites.set(1, "edit_seconds", "soon")).startswith("edit_seconds: "))
        self.assertIn("no setting", self.refusal(self.sites.set(1, "colour", "red")))

    def test_settings(self) -> None:
        """All that there are, with values as they are typed and without secrets."""
        rows = {str(row["setting"]): row for row in self.outcome(self.sites.settings(1))}
        self.assertEqual(set(rows), set(SHAPE.names()))
        self.assertEqual((rows["comments.votes"]["value"], rows["comments.edit_seconds"]["value"]), ("yes", "900"))
        self.assertEqual((rows["webhook_secret"]["value"], rows["channel_secret"]["value"]), ("(set)", "(none)"))
        self.assertNotIn("hunter2", repr(rows))
        self.assertNotIn("value", self.outcome(self.sites.settings(None))[0])
        self.assertIn("32 to 512", self.refusal(self.sites.set(1, "channel_secret", "short")))
        self.assertIn("https://", self.refusal(self.sites.set(1, "webhook_url", "ftp://x")))

    def test_shown_as_taken(self) -> None:
        """Whatever ``site 1`` shows can be typed back under the name that it shows."""
        shown = dict(line.split(None, 1) for line in as_text(self.outcome(self.sites.site(1))).splitlines())
        for name, default in SHAPE.values(SiteSettings(), ()).items():
            if "secret" not in name:
                value = "" if shown[name].strip() == "-" else shown[name].strip()
                self.outcome(self.sites.set(1, name, value))
                self.assertEqual(self.directory.asked[-1], (name, default))

    def test_names_of_other_scripts(self) -> None:
        """Origins are kept in punycode, and shown as people read them as well."""
        self.directory.known[1].patterns = ("localhost:*", "xn--bcher-kva.example")
        facts = self.outcome(self.sites.site(1))
        self.assertEqual(facts["origins_read"], ["xn--bcher-kva.example = bücher.example"])

    def test_demo_stays(self) -> None:
        """The demo's site would be made again by the next start; nobody deletes by number alone."""
        sites = areas.Sites(self.directory, deletions=SimpleNamespace(), demo=1)  # type: ignore[arg-type]
        self.assertIn("[demo] enabled", self.refusal(sites.holdings(1)))
        sites = areas.Sites(self.directory, deletions=SimpleNamespace())  # type: ignore[arg-type]
        self.assertIn("nothing was deleted", self.refusal(sites.delete(1, "blog")))

    def test_unknown_site(self) -> None:
        """A site that is not there is one line everywhere."""
        for work in (self.sites.site(9), self.sites.set(9, "votes", "true")):
            self.assertEqual(self.refusal(work), "there is no site 9")

    def test_elsewhere(self) -> None:
        """A site of another deployment is told with its address, and is in the list by its number alone."""
        self.assertIn("deployment eu, at https://eu.example", self.refusal(self.sites.site(8)))
        self.directory.residency.pinned({8: "eu", 1: "global"})
        rows = self.outcome(self.sites.sites())
        self.assertEqual([(row["site"], row["deployment"]) for row in rows], [(1, "global"), (8, "eu")])
        self.assertEqual((rows[1]["name"], rows[1]["origins"]), ("", ""))

    def test_refusals_of_the_domain(self) -> None:
        """The domain's words for a wrong value are the operator's; two nodes at once can be tried again."""
        self.assertEqual(self.outcome(self.sites.add("shop", ["a.example"])), 7)
        self.assertEqual(self.refusal(self.sites.add("bad", [])), "A name has letters.")
        self.assertIn("try again", self.refusal(self.sites.add("race", [])))
        self.assertIn("site 1 already", self.refusal(self.sites.add("shop", [], 1)))
        self.assertEqual(self.refusal(self.sites.add_origin(1, "?")), "That is no origin.")


class BansTests(AreaCase):
    def test_bans(self) -> None:
        """Seconds from now become a time; without, there is no end; the domain's refusals are told."""
        given: list[Any] = []

        class Moderation:
            async def ban(self, kind: str, value: str, until: float | None) -> int:
                if value == "bad":
                    raise BadField("No.", field="value")
                given.append((kind, value, until))
                return 1

            async def unban(self, kind: str, value: str) -> bool:
                return value == "there"

        self.patch(areas, "wall_time", lambda: 1000.0)
        directory: Any = Directory()
        moderation: Any = lambda site: Moderation()  # noqa: E731
        bans = areas.Bans(directory, moderation)
        self.outcome(bans.ban(1, "ip", "192.0.2.1", 60))
        self.outcome(bans.ban(1, "word", "spam", None))
        self.assertEqual(given, [("ip", "192.0.2.1", 1060.0), ("word", "spam", None)])
        self.assertEqual(self.refusal(bans.ban(1, "word", "bad", None)), "No.")
        self.assertEqual(self.refusal(bans.ban(9, "word", "spam", None)), "there is no site 9")
        self.assertTrue(self.outcome(bans.unban(1, "word", "there")))
        self.assertFalse(self.outcome(bans.unban(1, "word", "absent")))


class FigureTests(AreaCase):
    def test_requests(self) -> None:
        """The listeners' figures come from the metrics."""
        metrics = Metrics()
        metrics.counter("http_requests", "", ["status"]).labels("2xx").inc(5)
        metrics.gauge("http_connections", "").set(3)
        facts = activity.Requests(metrics).requests()
        self.assertEqual((facts["connections"], facts["answers_2xx"], facts["answers_5xx"]), (3, 5, 0))

    def test_live(self) -> None:
        """Transports in order of name, channels as the hub ranks them."""
        hub: Any = SimpleNamespace(
            stats=lambda: SimpleNamespace(sessions={"ws": 5, "poll": 1}), busiest=lambda most: [("1/5", 4, 9)][:most]
        )
        live = areas.Live(hub)
        self.assertEqual([row["transport"] for row in live.sessions()], ["poll", "ws"])
        self.assertEqual(live.channels(3), [{"channel": "1/5", "subscribers": 4, "seq": 9}])

    def test_caches(self) -> None:
        """Both caches have a row of plain figures; evictions go to both at once."""
        done: list[Any] = []
        cache: Any = SimpleNamespace(stats=lambda: {"entries": 1, "by_reason": {"x": 1}})
        micro: Any = SimpleNamespace(stats=lambda: {"entries": 2})
        caches = areas.Caches(cache, micro, done.append, lambda: done.append("all"))
        self.assertEqual(caches.caches(), [{"cache": "soft", "entries": 1}, {"cache": "microcache", "entries": 2}])
        caches.evict(1, 5)
        caches.clear()
        self.assertEqual(done, [(1, 5), "all"])

    def test_servers(self) -> None:
        """A server that is down has its trouble and no figures: what was known last is no news of now."""
        server = SimpleNamespace(name="a", primary=False, alive=False, latency=0.001, staleness=9.0)
        one = SimpleNamespace(name="b", primary=True, alive=True, latency=0.001, staleness=0.0)
        part = SimpleNamespace(
            servers=[server, one], primary=one, trouble=lambda s: "" if s.alive else "down (connection refused)"
        )
        database: Any = SimpleNamespace(parts=[part])
        tail: Any = SimpleNamespace(connected=False, copying=True, lag=0.5)
        servers = areas.Servers(database, tail, Metrics())
        row = servers.servers()[0]
        self.assertEqual((row["role"], row["state"], row["lag_seconds"]), ("was replica", "down", None))
        self.assertEqual((row["latency_seconds"], row["used"]), (None, False))
        self.assertEqual(row["trouble"], "down (connection refused)")
        self.assertEqual([servers.servers()[1][key] for key in ("role", "used", "trouble")], ["primary", True, ""])
        told = {"connected": False, "through": "a replica", "events": 0, "lag_seconds": 0.5}
        self.assertEqual(servers.tail(), told)


class ClusterTests(SynchronousTestCase):
    """The table of all nodes."""

    def setUp(self) -> None:
        self.clock = Clock()
        nodes = [Node(name=name) for name in ("n1", "n2", "n3")]
        self.membership = Membership(nodes, "n2", self.clock, Metrics(), lambda: None)
        for _ in range(3):
            self.membership.missed("n1")
        self.membership.heard("n3", draining=True)

    def states(self) -> list[Any]:
        return [(row["node"], row["state"]) for row in areas.Cluster(self.membership, None).nodes()]

    def test_without_mesh(self) -> None:
        """This node first; who is down, back soon, or leaves."""
        self.assertEqual(self.states(), [("n2 (this)", "live"), ("n1", "down"), ("n3", "draining")])
        self.membership.heard("n1")
        self.clock.advance(10)
        self.assertEqual(self.states()[1], ("n1", "down, back in 20 s"))

    def test_with_mesh(self) -> None:
        """What heartbeats tell, and what is not known as nothing."""
        known = PeerState(True, True, 7, 0.9, 0.0123456, 0.5, "1.2", 0.1, "")
        unknown = PeerState(False, False, 0, 1.0, None, None, "", None, "can't connect")
        mesh: Any = SimpleNamespace(states=lambda: {"n2": known, "n1": unknown})
        first, second, third = areas.Cluster(self.membership, mesh).nodes()
        self.assertEqual((first["connections"], first["free"], first["round_trip_seconds"]), (7, "90%", 0.01235))
        told = [second[key] for key in ("linked", "db_lag_seconds", "trouble")]
        self.assertEqual(told, [False, None, "can't connect"])
        self.assertNotIn("linked", third)
        # What a node said before it fell silent is not shown as what is.
        silent = PeerState(True, True, 7, 0.9, 0.0123456, 0.5, "1.2", 60.0, "", False)
        mesh.states = lambda: {"n2": known, "n1": silent}
        row = areas.Cluster(self.membership, mesh).nodes()[1]
        gone = ("ready", "writes", "connections", "free", "round_trip_seconds", "db_lag_seconds")
        self.assertEqual([row[key] for key in gone], [None] * len(gone))
        self.assertEqual(row["heard_seconds"], 60.0)
        self.assertIn("can't connect", as_text([first, second, third]))
