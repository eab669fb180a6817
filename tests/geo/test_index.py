"""The index without files."""

from __future__ import annotations

from array import array
from pathlib import Path
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from cackled.geo.build import cut
from cackled.geo.index import DamagedIndex, Header, Index, load, read_header, write

ORDERS = ((("a", "b"),), (("a",), ("b",)), (("b",), ("a",)))


class IndexTests(SynchronousTestCase):
    def write(self, canaries: tuple[tuple[str, int], ...] = (), pairs_more: tuple[tuple[int, int], ...] = ()) -> Path:
        pairs: dict[tuple[int, int], int] = {}
        four = cut([(0, 0), (10 << 24, 1), (11 << 24, 2), (12 << 24, 0)], 32, "I", pairs)
        six = cut([(0, 0), (0x2001 << 48, 1), (0x2002 << 48, 0)], 64, "Q", pairs)
        path = Path(self.mktemp())
        header = Header(
            settings="", sources=(), classes=ORDERS, pairs=(*pairs, *pairs_more), blocks4=len(four.starts),
            blocks6=len(six.starts), records=2, canaries=canaries,
        )
        write(path, header, (four, six))
        return path

    def test_single(self) -> None:
        """One class for everybody, and a scope that says so."""
        index = Index.single(ORDERS[0])
        self.assertEqual(index.lookup(bytes(4)), (0, 0))
        self.assertEqual(index.lookup_text("2001::1"), (0, 0, ORDERS[0]))
        self.assertRaises(ValueError, index.lookup_text, "nobody")

    def test_edges(self) -> None:
        """First and last address of each block, and of each family."""
        index = load(self.write())
        for address, number in (
            ("0.0.0.0", 0), ("9.255.255.255", 0), ("10.0.0.0", 1), ("10.255.255.255", 1), ("11.0.0.0", 2),
            ("11.255.255.255", 2), ("12.0.0.0", 0), ("255.255.255.255", 0), ("::", 0), ("2000:ffff::", 0),
            ("2001::", 1),
            ("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1), ("2002::", 0), ("ffff::", 0),
        ):
            self.assertEqual(index.lookup_text(address)[0], number, address)

    def test_canaries(self) -> None:
        """An index that contradicts its canaries is not used."""
        load(self.write((("10.1.1.1", 1), ("2001::1", 1))))
        error = self.assertRaises(DamagedIndex, load, self.write((("10.1.1.1", 2),)))
        self.assertIn("10.1.1.1", str(error))

    def test_classes_beyond_the_table(self) -> None:
        """A class that has no order is found at load."""
        self.assertRaises(DamagedIndex, load, self.write(pairs_more=((3, 8),)))

    def test_damaged(self) -> None:
        """Whichever bit is turned over, or wherever it ends: it is found, in one line."""
        path = self.write((("10.1.1.1", 1),))
        whole = path.read_bytes()
        random = Random(1)
        places = [*range(400), *(random.randrange(len(whole)) for _ in range(50))]
        for damaged in (
            *(whole[:at] + bytes((whole[at] ^ 1 << random.randrange(8),)) + whole[at + 1 :] for at in places),
            *(whole[: random.randrange(len(whole))] for _ in range(50)), b"", whole + b"x",
        ):
            path.write_bytes(damaged)
            error = self.assertRaises(DamagedIndex, load, path)
            self.assertNotIn("\n", str(error))
        path.write_bytes(b"cackgix\x04" + (9).to_bytes(4, "little") + bytes(4) + b'{"a":"\xff"}')
        self.assertRaises(DamagedIndex, read_header, path)

    def test_tops(self) -> None:
        """The table of the upper 16 bits bounds every search."""
        starts = array("I", [0, 5, 1 << 16, (1 << 16) + 1, 65535 << 16])
        pairs: dict[tuple[int, int], int] = {}
        tops = cut([(0, 0)], 32, "I", pairs).tops_of(starts, 32)
        self.assertEqual((tops[0], tops[1], tops[2], tops[65535], tops[65536]), (0, 2, 4, 4, 5))
