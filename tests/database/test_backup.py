"""Backups of the embedded server: whole, put back only into an empty folder, and forgetting stays forgotten."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.support.client import Visitor, call
from tests.support.daemon import Daemon, child_environment

CONFIG = "[limits]\nexempt = ['127.0.0.0/8']\n[dns]\nenabled = false\n[manhole]\nenabled = false\n"


def cackled(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program."""
    return subprocess.run(
        [sys.executable, "-m", "cackled", *words], capture_output=True, text=True, timeout=120, cwd=cwd, check=False,
        env=child_environment(PATH="/usr/bin:/bin"),
    )  # fmt: skip


class BackupTests(SynchronousTestCase):
    """The real daemon and the real program."""

    def page(self, daemon: Daemon, key: str) -> list[dict[str, Any]]:
        answer = call(f"{daemon.url}/bootstrap?widget=Comment&site=1&channel={key}&sort=old")
        return list(answer.json()["page"]["comments"])

    def test_life(self) -> None:
        """Copied while it runs; a visitor asks to be forgotten; the older copy is put back: still forgotten."""
        daemon = Daemon.for_test(self, CONFIG)
        folder = daemon.folder
        keeps, leaves = Visitor(daemon.url, name="Keeper"), Visitor(daemon.url, name="Leaver")
        keeps.post("page", "I stay")
        leaves.post("page", "I go")
        copy = folder / "copy"
        made = cackled("backup", str(copy), "-c", str(daemon.config), cwd=folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        counts = msgspec.json.decode((copy / "manifest.json").read_bytes())["counts"]
        self.assertEqual(list(counts), [
            "comments", "votes", "reactions", "previews of links", "followers", "follows", "notices",
            "browsers for push", "stopped addresses", "polls", "poll votes", "reviews", "review votes", "orders",
            "photos that are still to be fetched", "conversations", "messages", "pictures", "decisions",
            "imports", "exports", "imported things",
            "imported authors",
            "pictures of imports that are still to be fetched", "pieces of files",
            "accounts for sharing", "shares", "lessons", "privacy rules",
            "figures of removals", "erased visitors",
        ])
        self.assertGreaterEqual(counts["comments"], 2)
        self.assertIn(f": {counts['comments']} comments, {counts['votes']} votes, ", made.stdout)
        self.assertEqual((copy / "database.dump").stat().st_mode & 0o077, 0)
        again = cackled("backup", str(copy), "-c", str(daemon.config), cwd=folder)
        self.assertEqual((again.returncode, "is there already" in again.stderr), (1, True), again.stderr)
        archive = folder / "copy.tar"
        made = cackled("backup", str(archive), "-c", str(daemon.config), cwd=folder)
        self.assertEqual((made.returncode, archive.stat().st_mode & 0o777), (0, 0o600), made.stderr)
        for one in (copy, archive):
            sound = cackled("verify-backup", str(one), "-c", str(daemon.config), cwd=folder)
            self.assertEqual((sound.returncode, "is whole" in sound.stdout), (0, True), sound.stderr)
        self.damaged(archive, folder, str(daemon.config))
        running = cackled("restore", str(copy), "-c", str(daemon.config), cwd=folder)
        self.assertEqual((running.returncode, "holds a database" in running.stderr), (1, True), running.stderr)

        keeps.post("page", "after the copy")
        self.assertEqual(daemon.admin(f"erase 1 {leaves.id}")["events"], 1)
        self.assertEqual([one["author"]["name"] for one in self.page(daemon, "page")], ["Keeper", "Keeper"])
        daemon.stop()
        stopped = cackled("restore", str(copy), "-c", str(daemon.config), cwd=folder)
        self.assertEqual((stopped.returncode, "holds a database" in stopped.stderr), (1, True), stopped.stderr)

        # The database is lost; the journal beside it is not.
        shutil.rmtree(daemon.data())
        back = cackled("restore", str(archive), "-c", str(daemon.config), cwd=folder)
        self.assertEqual(back.returncode, 0, back.stderr)
        self.assertEqual([path.name for path in folder.glob(".copy*")], [])
        daemon.start()
        comments = self.page(daemon, "page")
        self.assertEqual([(one["author"]["name"], one["html"]) for one in comments], [("Keeper", "<p>I stay</p>")])
        self.assertIn("done again", daemon.log())
        # Sessions live on, and writing goes on.
        self.assertEqual(keeps.post("page", "and on").status, 201)

    def damaged(self, archive: Path, folder: Path, config: str) -> None:
        """One bit, or an end that is missing, is noticed."""
        whole = archive.read_bytes()
        other = folder / "other.tar"
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        for data in (flipped, whole[:middle], whole[: len(whole) // 100], b""):
            other.write_bytes(data)
            sound = cackled("verify-backup", str(other), "-c", config, cwd=folder)
            self.assertEqual((sound.returncode, "is whole" in sound.stdout), (1, False), sound.stdout)
            self.assertEqual(len(sound.stderr.splitlines()), 1, sound.stderr)
        other.unlink()

    def test_not_whole(self) -> None:
        """What is no backup, is cut short or comes from a newer release is refused, and nothing is made."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "c.toml").write_text(f'state = "{folder.absolute()}/var"\n')
        copy = folder / "copy"
        copy.mkdir()
        good = {"format": 1, "made": "x", "postgres": "18", "schema": 1, "comments": 1, "bytes": 4}
        for manifest, dump, reason in (
            (None, b"", "no backup"), ({**good, "schema": 9999}, b"1234", "newer release"), (good, b"123", "not whole"),
            ({**good, "deployment": "eu"}, b"1234", "belongs to deployment 'eu', this node to 'global'"),
        ):  # fmt: skip
            if manifest is not None:
                (copy / "manifest.json").write_bytes(msgspec.json.encode(manifest))
            (copy / "database.dump").write_bytes(dump)
            done = cackled("restore", "copy", "-c", "c.toml", cwd=folder)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(reason, done.stderr)
            self.assertFalse((folder / "var").exists())
        for words, reason in ((("backup", "new"), "no state folder"),):
            done = cackled(*words, "-c", "c.toml", cwd=folder)
            self.assertIn(reason, done.stderr)
        (folder / "own.toml").write_text('[database]\ndsn = "host=/nowhere"\n')
        self.assertIn("embedded", cackled("backup", "new", "-c", "own.toml", cwd=folder).stderr)
