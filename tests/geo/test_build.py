"""Building an index, compared address by address with the database, and what can't be built."""

from __future__ import annotations

import random
import subprocess
import sys
from ipaddress import ip_address, ip_network
from itertools import pairwise
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.config import Geo
from cackled.geo.build import BuildError, Job, build, cut, encode_job
from cackled.geo.index import DamagedIndex, Index, load, read_header
from tests.support.daemon import child_environment
from tests.support.geo import BERLIN, BOSTON, NETWORKS, NODES, write_mmdb

FLAT = Geo(country="country_code", continent="", latitude="latitude", longitude="longitude")


class BuildTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = Path(self.mktemp())

    def make(self, geo: Geo) -> Index:
        build(Job(geo, NODES), self.output)
        return load(self.output, thorough=True)

    def nearest(self, index: Index, address: str) -> str | None:
        """The first node for an address, None where the place is not known."""
        number, _, order = index.lookup_text(address)
        return order[0][0] if number else None

    def test_nested(self) -> None:
        """Coordinates, country, continent, or nothing; both families."""
        index = self.make(Geo(files=(write_mmdb(self.mktemp()),)))
        for address, node in (
            ("81.2.69.1", "eu"), ("81.2.69.161", "us"), ("81.2.69.192", "eu"), ("100.1.2.3", "us"), ("110.1.2.3", "sg"),
            ("111.0.0.9", "sg"), ("1.1.1.1", None), ("8.8.8.8", None), ("0.0.0.0", None), ("255.255.255.255", None),
            ("2001:db8:1::5", "eu"), ("2600:0:1::", "us"), ("2400:1234:5600::1", "sg"), ("2a00::1", None), ("::", None),
        ):
            self.assertEqual(self.nearest(index, address), node, address)
        self.assertEqual(index.classes[0], (("eu", "us", "sg"),))

    def test_scope_is_exact(self) -> None:
        """The scope's network has one class, the network one bit shorter has not."""
        index = self.make(Geo(files=(write_mmdb(self.mktemp()),)))
        for address, scope in (
            ("81.2.64.1", 22), ("81.2.69.160", 27), ("81.2.69.128", 27), ("81.2.69.0", 25), ("100.9.9.9", 10),
            ("111.0.0.1", 24), ("2600::1", 20), ("2001:db8:1::", 48),
        ):
            self.assertEqual(index.lookup_text(address)[1], scope, address)
        rng = random.Random(2)
        edges = sorted({int(ip_network(net)[0]) for net in NETWORKS if ":" not in net})
        for base in edges * 20:
            address = ip_address(base + rng.randrange(-2000, 2000))
            number, scope, _ = index.lookup_text(str(address))
            inside = ip_network((address, scope), strict=False)
            self.assertEqual({index.lookup(inside[at].packed)[0] for at in (0, -1)}, {number})
            for _ in range(5):
                other = inside[rng.randrange(inside.num_addresses)]
                self.assertEqual(index.lookup(other.packed), (number, scope))

    def test_flat_in_two_files(self) -> None:
        """Flat records with other names, IPv4 and IPv6 in files of their own, coordinates as text."""
        record = {"country_code": "DE", "latitude": "52.5", "longitude": "13.4"}
        four = write_mmdb(self.mktemp(), {"81.0.0.0/8": record}, 4)
        six = write_mmdb(self.mktemp(), {"2600::/20": {"country_code": "US"}})
        index = self.make(msgspec.structs.replace(FLAT, files=(four, six)))
        self.assertEqual(self.nearest(index, "81.1.1.1"), "eu")
        self.assertEqual(self.nearest(index, "2600::1"), "us")

    def test_one_family_only(self) -> None:
        """What no file has is all one unknown place."""
        index = self.make(Geo(files=(write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN}, 4),)))
        self.assertEqual(index.lookup_text("2600::1")[:2], (0, 0))

    def test_list_in_path(self) -> None:
        """A step of a field path may be a number."""
        path = write_mmdb(self.mktemp(), {"81.0.0.0/8": {"places": ["x", {"cc": "US"}]}}, 4)
        self.assertEqual(self.nearest(self.make(Geo(files=(path,), country="places/1/cc")), "81.1.1.1"), "us")

    def test_wrong_fields(self) -> None:
        """Field paths that hit nothing are an error that shows a record, not an index of nothing."""
        path = write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN})
        error = self.assertRaises(BuildError, self.make, msgspec.structs.replace(FLAT, files=(path,)))
        self.assertIn("check [geo]", str(error))
        self.assertIn("iso_code", str(error))
        self.assertFalse(self.output.exists())

    def test_bad_files(self) -> None:
        """Missing and broken files leave the old index as it was."""
        good = write_mmdb(self.mktemp())
        self.make(Geo(files=(good,)))
        before = self.output.read_bytes()
        broken = self.mktemp()
        Path(broken).write_bytes(Path(good).read_bytes()[:2000])
        for path in ("/nonexistent", broken):
            self.assertIn(path, str(self.assertRaises(BuildError, self.make, Geo(files=(path,)))))
        self.assertEqual(self.output.read_bytes(), before)

    def test_settings(self) -> None:
        """Another node or field makes another digest; the name of a file, weights and addresses of nodes do not matter
        or are seen elsewhere."""
        geo = Geo(files=("a",))
        first = Job(geo, NODES).settings
        self.assertEqual(first, Job(geo, NODES).settings)
        self.assertNotEqual(first, Job(geo, NODES[:2]).settings)
        self.assertNotEqual(first, Job(Geo(files=("a",), country="cc"), NODES).settings)

    def test_program(self) -> None:
        """The builder as a program: nothing printed when it works, one line when it does not."""
        for path, code in ((write_mmdb(self.mktemp()), 0), ("/nonexistent", 1)):
            done = subprocess.run(
                [sys.executable, "-m", "cackled.geo.build", str(self.output)],
                input=encode_job(Geo(files=(path,)), NODES), capture_output=True, timeout=60,
                env=child_environment(":".join(part for part in sys.path if part)),
            )
            self.assertEqual((done.returncode, done.stdout), (code, b""), done.stderr)
            self.assertEqual(done.stderr.count(b"\n"), code)
        self.assertEqual(read_header(self.output).sources[0].size > 0, True)


class CutTests(SynchronousTestCase):
    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(1, 2**32 - 1), st.integers(0, 3)), max_size=20))
    def test_blocks(self, points: list[tuple[int, int]]) -> None:
        """Blocks are aligned, without holes, and as large as they can be."""
        ranges: list[tuple[int, int]] = [(0, 0)]
        for start, number in sorted(dict(points).items()):
            if number != ranges[-1][1]:
                ranges.append((start, number))
        pairs: dict[tuple[int, int], int] = {}
        blocks = cut(ranges, 32, "I", pairs)
        table = list(pairs)
        at = 0
        found = []
        for start, which in zip(blocks.starts, blocks.numbers, strict=True):
            number, length = table[which]
            self.assertEqual(start, at)
            self.assertEqual(start % (1 << (32 - length)), 0)
            found.append((start, length, number))
            at += 1 << (32 - length)
        self.assertEqual(at, 1 << 32)
        for (start, length, number), (_, length2, number2) in pairwise(found):
            whole = length == length2 and number == number2 and start % (1 << (33 - length)) == 0
            self.assertFalse(whole, "two halves of a larger block")


class IndexFileTests(SynchronousTestCase):
    def test_damage(self) -> None:
        """Any cut or flipped byte is found before the index is used."""
        output = Path(self.mktemp())
        build(Job(Geo(files=(write_mmdb(self.mktemp(), {"81.0.0.0/8": BERLIN, "2600::/20": BOSTON}),)), NODES), output)
        good = output.read_bytes()
        rng = random.Random(3)
        for _ in range(60):
            raw = bytearray(good)
            if rng.random() < 0.3:
                del raw[rng.randrange(len(raw)) :]
            else:
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            output.write_bytes(raw)
            try:
                index = load(output, thorough=True)
            except DamagedIndex:
                continue
            # A bit of the header that carries no meaning for look-ups.
            self.assertEqual(index.lookup_text("81.1.1.1")[0], 1)
        self.assertRaises(DamagedIndex, load, Path("/nonexistent"))
