"""Tests of the bundles of former versions."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.transport._previous_versions import FORMER, LARGEST, content_hash, keep


def made(*texts: bytes) -> dict[tuple[str, str], bytes]:
    """Bundles of these contents."""
    return {(content_hash(text), f"{n}.js"): text for n, text in enumerate(texts)}


class FormerTests(SynchronousTestCase):
    """A folder that remembers."""

    def setUp(self) -> None:
        """A folder that is not there yet."""
        self.folder = Path(self.mktemp()) / "bundles"

    def age(self, version: str, days: float) -> None:
        """The version was last started so long ago."""
        when = (self.folder / version).stat().st_mtime - days * 86400
        os.utime(self.folder / version, (when, when))

    def test_former_versions(self) -> None:
        """What a version stored the next ones are given, but for what they have themselves."""
        self.assertEqual(keep(self.folder, "one", made(b"a", b"b")), {})
        self.age("one", 1)
        self.assertEqual(keep(self.folder, "two", made(b"a", b"c")), {(content_hash(b"b"), "1.js"): b"b"})
        self.assertEqual(keep(self.folder, "one", made(b"a", b"b")), {(content_hash(b"c"), "1.js"): b"c"})

    def test_few(self) -> None:
        """Only the newest are kept; a version that is started again is new."""
        for number in range(FORMER + 3):
            keep(self.folder, f"v{number}", made(b"%d" % number))
            for older in range(number + 1):
                if (self.folder / f"v{older}").exists():
                    self.age(f"v{older}", 1)
        before = {path.name for path in self.folder.iterdir()}
        self.assertEqual(before, {f"v{number}" for number in range(2, FORMER + 3)})
        keep(self.folder, "v2", made(b"2"))
        keep(self.folder, "new", made(b"new"))
        self.assertEqual({path.name for path in self.folder.iterdir()}, before - {"v3"} | {"new"})

    def test_not_what_it_says(self) -> None:
        """A file whose content has another hash, of another kind, or of a size that no bundle has is not used."""
        large = b"x" * (LARGEST + 1)
        keep(self.folder, "one", {**made(b"a", b"b"), (content_hash(large), "large.js"): large})
        one, page = content_hash(b"a"), content_hash(b"page")
        (self.folder / "one" / f"{one}.{one}.0.js").write_bytes(b"changed")
        (self.folder / "one" / f"{page}.{page}.page.html").write_bytes(b"page")
        (self.folder / "one" / f"{page}.js").write_bytes(b"page")
        self.assertEqual(keep(self.folder, "two", {}), {(content_hash(b"b"), "1.js"): b"b"})

    def test_half_made(self) -> None:
        """What a process left behind that died while it stored is the first to go, and nothing is lost for it."""
        keep(self.folder, "one", made(b"a"))
        for number in range(FORMER):
            (self.folder / f".half{number}.1").mkdir()
        self.assertEqual(keep(self.folder, "two", {}), {(content_hash(b"a"), "0.js"): b"a"})
        self.assertEqual(len([path for path in self.folder.iterdir() if path.name[0] == "."]), FORMER - 1)

    def test_faster(self) -> None:
        """Another process stored the same version at the same moment: one of them is there, whole."""
        bundles = made(b"a")
        real = Path.mkdir

        def meanwhile(path: Path, *args: object, **named: object) -> None:
            real(path, *args, **named)  # type: ignore[arg-type]
            self.patch(Path, "mkdir", real)
            keep(self.folder, "one", bundles)

        self.patch(Path, "mkdir", meanwhile)
        keep(self.folder, "one", bundles)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["one"])
        self.assertEqual(keep(self.folder, "two", {}), {(content_hash(b"a"), "0.js"): b"a"})

    def test_no_folder(self) -> None:
        """Where nothing can be stored that is said."""
        self.folder.parent.mkdir(parents=True)
        self.folder.write_text("a file")
        self.assertRaises(OSError, keep, self.folder, "one", made(b"a"))
