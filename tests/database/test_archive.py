"""Backups as one file: what is packed comes out, and nothing else does."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.database import archive
from cackled.database.archive import ArchiveError, digest, pack, unpack

NAMES = ("a", "b")


class ArchiveTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.out = Path(self.mktemp())
        self.out.mkdir()
        self.tar = self.folder / "x.tar"

    def test_there_and_back(self) -> None:
        """The same bytes, for the owner's eyes only, in the order that was given; progress is told."""
        self.patch(archive, "PIECE", 1000)
        self.patch(archive, "TOLD", 2)
        (self.folder / "a").write_bytes(b"first")
        (self.folder / "b").write_bytes(b"second" * 1000)
        pack(self.folder, NAMES, self.tar)
        self.assertEqual(self.tar.stat().st_mode & 0o777, 0o600)
        told: list[str] = []
        unpack(self.tar, NAMES, self.out, told.append)
        for name in NAMES:
            self.assertEqual((self.out / name).read_bytes(), (self.folder / name).read_bytes())
            self.assertEqual((self.out / name).stat().st_mode & 0o777, 0o600)
            self.assertEqual(digest(self.out / name), digest(self.folder / name))
        self.assertEqual(len(told), 3)
        with tarfile.open(self.tar) as made:
            self.assertEqual(made.getnames(), list(NAMES))
        with self.assertRaises(FileExistsError):
            pack(self.folder, NAMES, self.tar)

    def test_strange(self) -> None:
        """Other names, ways out of the folder, links and devices are refused, and what is no archive."""
        for name, kind in (("c", tarfile.REGTYPE), ("../a", tarfile.REGTYPE), ("/a", tarfile.REGTYPE),
                           ("a", tarfile.SYMTYPE), ("a", tarfile.LNKTYPE), ("b", tarfile.CHRTYPE)):  # fmt: skip
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            with tarfile.open(self.tar, "w") as made:
                made.addfile(member, io.BytesIO(b""))
            with self.assertRaises(ArchiveError):
                unpack(self.tar, NAMES, self.out, print)
        self.tar.write_bytes(b"x" * 2000)
        with self.assertRaises(ArchiveError):
            unpack(self.tar, NAMES, self.out, print)
        self.assertEqual(list(self.out.iterdir()), [])
