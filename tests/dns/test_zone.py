"""Zones from files and from nodes; what is refused, and how it is said."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.config import ConfigError, Deployment, Dns, Node
from cackled.dns.wire import AAAA, CAA, HTTPS, NS, SOA, A, name_text, pack_name
from cackled.dns.zone import Zone, ZoneError, load_zone

from .helpers import NODES, make_zone, zone_file

HEAD = "@ 3600 IN SOA ns1 hostmaster 5 7200 1800 1209600 60\n@ 3600 IN NS ns1\nns1 300 IN A 192.0.2.1\n"


class DelegationTests(SynchronousTestCase):
    def test_deployments(self) -> None:
        """Another deployment's names are handed over to its servers, one without servers is not mentioned."""
        others = [
            Deployment(name="eu", url="https://eu.example", sites=(1, 9), dns=("192.0.2.7", "2001:db8::7")),
            Deployment(name="us", url="https://us.example", sites=(10, 19)),
        ]
        zone = load_zone(Dns(origin="geo.test."), NODES, others)
        self.assertEqual(zone.cuts, {pack_name("eu.geo.test.")})
        self.assertEqual(len(zone.names[pack_name("eu.geo.test.")].sets[NS].rdatas), 2)
        self.assertIn(AAAA, zone.names[pack_name("ns2.eu.geo.test.")].sets)
        self.assertIsNone(zone.find(pack_name("us.geo.test."))[0])
        wrong = Deployment(name="eu", url="https://eu.example", sites=(1, 9), dns=("eu.example",))
        error = self.assertRaises(ZoneError, load_zone, Dns(origin="geo.test."), NODES, [wrong])
        self.assertIn("deployment eu", str(error))


class FileTests(SynchronousTestCase):
    def load(self, text: str, geo: tuple[str, ...] = ()) -> Zone:
        return load_zone(Dns(zone_file=zone_file(self, text), origin="geo.test.", geo_names=geo), NODES)

    def refused(self, text: str, *words: str, geo: tuple[str, ...] = ()) -> None:
        """Loading *text* behind a good head fails with one line that has all *words*."""
        error = self.assertRaises(ZoneError, self.load, text, geo)
        self.assertNotIn("\n", str(error))
        for word in words:
            self.assertIn(word, str(error))

    def test_types(self) -> None:
        """Every type of the promise is read, with names below it made on the way."""
        zone = make_zone(self)
        self.assertEqual(zone.serial, 2026112101)
        self.assertIn(CAA, zone.names[zone.origin].sets)
        self.assertIn(HTTPS, zone.names[pack_name("svc.geo.test.")].sets)
        self.assertEqual(zone.names[pack_name("b.ent.geo.test.")].sets, {})
        self.assertTrue(zone.names[pack_name("www.geo.test.")].geo)
        self.assertEqual(zone.negative[2], 60)

    def test_contains(self) -> None:
        """Only whole labels count."""
        zone = make_zone(self)
        for name, inside in (
            ("geo.test.", True), ("a.geo.test.", True), ("xgeo.test.", False), ("test.", False), (".", False),
        ):
            self.assertIs(zone.contains(pack_name(name)), inside, name)
        self.assertFalse(zone.contains(b"\x08xgeo\3geo\4test\0"[:9] + b"\0"))
        self.assertFalse(zone.contains(b"\x0ab\3geo\4test\0"))

    def test_no_apex(self) -> None:
        """SOA and NS must be at the origin, one SOA."""
        self.refused("@ 3600 IN NS ns1\nns1 IN A 192.0.2.1\n", "geo.test. SOA", "missing")
        self.refused("@ 3600 IN SOA ns1 h 1 1 1 1 1\n", "geo.test. NS", "missing")

    def test_syntax(self) -> None:
        """A line that can't be read is named by its number."""
        self.refused(HEAD + "www 300 IN A 192.0.2.300\n", "line:5: Text input is malformed")
        self.refused(HEAD + 'www 300 IN TXT "open\n', "newline in quoted string")

    def test_foreign_name(self) -> None:
        """A record outside the zone is named, not left out."""
        self.refused(HEAD + "www.example.com. 300 IN A 192.0.2.2\n", "www.example.com. is not below geo.test.")

    def test_cname_beside_data(self) -> None:
        """A CNAME stands alone, also from a geo name."""
        self.refused(HEAD + "www 300 IN CNAME ns1\nwww 300 IN A 192.0.2.2\n", "www.geo.test.: a CNAME beside")
        self.refused(HEAD + "www 300 IN CNAME ns1\n", "www.geo.test. CNAME", geo=("www",))

    def test_cname_loop(self) -> None:
        """A loop is found at load."""
        self.refused(HEAD + "a 300 IN CNAME b\nb 300 IN CNAME c\nc 300 IN CNAME a\n", "CNAME loop")
        self.refused(HEAD + "a 300 IN CNAME a\n", "a.geo.test. CNAME", "loop")
        chain = "".join(f"c{n} 300 IN CNAME c{n + 1}\n" for n in range(20))
        self.refused(HEAD + chain, "CNAME", "in a row")

    def test_targets(self) -> None:
        """NS and MX point to names with an address, where those are ours; null MX is fine."""
        self.refused(HEAD + "@ 300 IN MX 10 mail\n", "geo.test. MX", "mail.geo.test.", "no address")
        self.refused(HEAD + "@ 300 IN MX 10 mail\nmail 300 IN CNAME ns1\n", "is a CNAME")
        self.load(HEAD + "@ 300 IN MX 0 .\nm 300 IN MX 5 mail.example.\n")

    def test_types_not_served(self) -> None:
        """Signatures and DNAME are refused instead of served wrongly."""
        self.refused(HEAD + "sub 300 IN DNAME example.\n", "sub.geo.test. DNAME")

    def test_own_addresses_at_geo_name(self) -> None:
        """A geo name's addresses come from the nodes; addresses in the file would never be seen."""
        self.refused(HEAD + "www 300 IN A 192.0.2.2\n", "www.geo.test. A", "geo_names", geo=("www",))

    def test_too_big(self) -> None:
        """An RRset that no message can hold is refused."""
        big = "".join(f'big 300 IN TXT "{number:05d}{"x" * 240}"\n' for number in range(300))
        self.refused(HEAD + big, "big.geo.test. TXT", "too big")

    def test_byte_order_mark(self) -> None:
        """Editors of Windows put one before the text; a file that is no UTF-8 is told as such."""
        path = Path(self.mktemp())
        text = "@ 60 IN SOA ns host 1 2 3 4 5\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\nwww 60 IN A 192.0.2.2\n"
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        load_zone(Dns(zone_file=str(path), geo_names=()), NODES)
        path.write_bytes(text.encode("utf-16"))
        error = self.assertRaises(ConfigError, load_zone, Dns(zone_file=str(path), geo_names=()), NODES)
        self.assertIn("UTF-8", str(error))

    def test_missing_file(self) -> None:
        """A file that is not there is one line, of the kind that stops the start."""
        error = self.assertRaises(ConfigError, load_zone, Dns(zone_file="/nonexistent/zone"), NODES)
        self.assertIn("/nonexistent/zone: No such file", str(error))

    def test_bad_names(self) -> None:
        """Origin and geo names must be names."""
        for settings in (
            Dns(origin="a..b."), Dns(origin="ü.test."), Dns(geo_names=("a" * 64,)), Dns(geo_names=("www.other.",)),
            Dns(geo_names=(".".join(["a" * 60] * 4),)),
        ):
            self.assertRaises(ZoneError, load_zone, settings, NODES)


class GeneratedTests(SynchronousTestCase):
    def test_nodes(self) -> None:
        """SOA, a name server on each node, and the geo names."""
        zone = load_zone(Dns(origin="cackle.test."), NODES)
        apex = zone.names[zone.origin]
        self.assertEqual([name_text(name) for name in apex.sets[NS].rdatas], [f"ns{n}.cackle.test." for n in (1, 2, 3)])
        self.assertEqual(set(zone.names[pack_name("ns1.cackle.test.")].sets), {A, AAAA})
        self.assertTrue(apex.geo and zone.names[pack_name("rt.cackle.test.")].geo)
        self.assertEqual(zone.records()[0][1], SOA)

    def test_equal_on_every_server(self) -> None:
        """The same nodes make the same zone, other nodes another one; the serial number is not the zone's to choose."""
        settings = Dns()
        self.assertEqual(load_zone(settings, NODES).records(), load_zone(settings, NODES).records())
        self.assertNotEqual(load_zone(settings, NODES).records(), load_zone(settings, NODES[:2]).records())
        self.assertEqual(load_zone(settings, NODES).serial, 1)
        many = [Node(name=f"n{n}", addresses=(f"192.0.2.{n}",)) for n in range(1, 10)]
        self.assertNotEqual(load_zone(settings, many).records(), load_zone(settings, many[:8]).records())

    def test_node_without_addresses(self) -> None:
        """A node that browsers reach by its url alone has no part in the zone, and breaks it for nobody."""
        nameless = Node(name="aa", addresses=(), url="https://lb.example")
        for nodes in ((nameless, *NODES), (*NODES[:1], nameless, *NODES[1:])):
            self.assertEqual(load_zone(Dns(), nodes).records(), load_zone(Dns(), NODES).records())
        error = self.assertRaises(ZoneError, load_zone, Dns(), [nameless])
        self.assertIn("no [[nodes]] with addresses", str(error))

    def test_transfer(self) -> None:
        """A transfer has the addresses of all nodes at geo names."""
        zone = load_zone(Dns(origin="cackle.test.", geo_names=("www",)), NODES)
        found = [rdata for owner, _, _, rdata in zone.records() if owner == pack_name("www.cackle.test.")]
        self.assertEqual(len(found), 5)

    def test_bad_address(self) -> None:
        """A wrong address names its node."""
        error = self.assertRaises(ZoneError, load_zone, Dns(), [Node(name="eu", addresses=("192.0.2.300",))])
        self.assertIn("node eu: '192.0.2.300'", str(error))
        self.assertRaises(ZoneError, load_zone, Dns(), [])
