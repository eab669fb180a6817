"""Walks over MMDB trees of every record size, with aliases, and broken ones."""

from __future__ import annotations

import random
from ipaddress import ip_address

import maxminddb
from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.mmdb import BrokenDatabase, Database, text4, text6
from tests.support.geo import NETWORKS, Tree, write_mmdb


class DatabaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = write_mmdb(self.mktemp())

    def open(self, path: str) -> Database:
        database = Database(path)
        self.addCleanup(database.close)
        return database

    def assert_same(self, path: str) -> None:
        """The walk gives for random addresses what the reader gives."""
        database = self.open(path)
        reader = maxminddb.open_database(path)
        self.addCleanup(reader.close)
        rng = random.Random(1)
        leaves4, leaves6 = list(database.walk4()), list(database.walk6())
        self.assertEqual(leaves4[0][0], 0)
        self.assertEqual([leaf[0] for leaf in leaves4], sorted({leaf[0] for leaf in leaves4}))
        near = [int(ip_address(network.partition("/")[0])) for network in NETWORKS if ":" not in network]
        for value in [rng.getrandbits(32) for _ in range(500)] + [base + rng.getrandbits(9) for base in near * 50]:
            start, pointer = max(leaf for leaf in leaves4 if leaf[0] <= value)
            expected = reader.get(text4(value))
            self.assertEqual(None if pointer is None else database.record(text4(start)), expected, text4(value))
        for network in NETWORKS:
            if ":" in network:
                value = int(ip_address(network.partition("/")[0])) >> 64
                start, pointer = max((leaf for leaf in leaves6 if leaf[0] <= value), key=lambda leaf: leaf[0])
                self.assertEqual(database.record(text6(start)), reader.get(text6(value)))
                self.assertIsNotNone(pointer)

    def test_record_sizes(self) -> None:
        """24, 28 and 32 bits."""
        self.assert_same(self.path)
        for size in (28, 32):
            self.assert_same(Tree(self.path).save(self.mktemp(), size))

    def test_version_4(self) -> None:
        """A database of IPv4 alone has no IPv6 leaves."""
        path = write_mmdb(self.mktemp(), {"10.0.0.0/8": {"country": {"iso_code": "DE"}}}, 4)
        database = self.open(path)
        self.assertEqual(list(database.walk6()), [])
        self.assertEqual([leaf[0] for leaf in database.walk4() if leaf[1]], [10 << 24])

    def test_version_6_alone(self) -> None:
        """One of IPv6 alone has no IPv4 records."""
        path = write_mmdb(self.mktemp(), {"2600::/20": {"country": {"iso_code": "US"}}})
        self.assertEqual([leaf for leaf in self.open(path).walk4() if leaf[1]], [])

    def test_aliases_are_skipped(self) -> None:
        """Branches that lead back to the IPv4 tree give no ranges of their own."""
        before = [leaf for leaf in self.open(self.path).walk6() if leaf[1]]
        tree = Tree(self.path)
        tree.alias(f"{0x2002:016b}", tree.v4_root())
        after = [leaf for leaf in self.open(tree.save(self.mktemp())).walk6() if leaf[1]]
        self.assertEqual(after, before)

    def test_longer_than_64(self) -> None:
        """Networks longer than /64 stand for their /64."""
        path = write_mmdb(self.mktemp(), {"2600::ff00:0:0/100": {"country": {"iso_code": "US"}}})
        found = [leaf for leaf in self.open(path).walk6() if leaf[1]]
        self.assertEqual([text6(leaf[0]) for leaf in found], ["2600::"])

    def test_broken(self) -> None:
        """No MMDB, empty, cut short, cycles: one error, and no walk without end."""
        with open(self.path, "rb") as file:
            raw = file.read()
        for content in (b"", b"nonsense" * 100, raw[: len(raw) // 2], raw[100:]):
            path = self.mktemp()
            with open(path, "wb") as file:
                file.write(content)
            self.assertRaises(BrokenDatabase, self.walk_all, path)
        self.assertRaises(BrokenDatabase, Database, "/nonexistent.mmdb")
        tree = Tree(self.path)
        tree.nodes[0] = [0, 0]
        self.assertRaises(BrokenDatabase, self.walk_all, tree.save(self.mktemp()))
        tree = Tree(self.path)
        tree.nodes[tree.v4_root()] = [tree.v4_root(), tree.v4_root()]
        self.assertRaises(BrokenDatabase, self.walk_all, tree.save(self.mktemp()))

    def walk_all(self, path: str) -> None:
        database = self.open(path)
        for text, leaves in ((text4, database.walk4()), (text6, database.walk6())):
            for value, pointer in leaves:
                if pointer is not None:
                    database.record(text(value))
