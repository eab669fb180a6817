"""PostgreSQL's programs."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from cackled.database.binaries import version_of


class VersionTests(SynchronousTestCase):
    """What a program says of itself."""

    def program(self, body: str) -> Path:
        """A stand-in for ``postgres``."""
        path = Path(self.mktemp()).resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def test_version(self) -> None:
        """Releases, and what is not one yet."""
        self.assertEqual(version_of(self.program("echo 'postgres (PostgreSQL) 18.6'")), "18.6")
        self.assertEqual(version_of(self.program("echo 'postgres (PostgreSQL) 19beta2 (Debian)'")), "19")

    def test_what_does_not_run(self) -> None:
        """Neither a missing program nor one that fails has a version."""
        self.assertEqual(version_of(Path("/nowhere/postgres")), "")
        self.assertEqual(version_of(self.program("exit 1")), "")

    def test_reason(self) -> None:
        """Why one doesn't run is told: its last words, or what the system said."""
        broken: list[str] = []
        version_of(self.program("echo 'cannot allocate memory' >&2; exit 127"), broken)
        version_of(Path("/nowhere/postgres"), broken)
        self.assertIn("-V ended with 127 cannot allocate memory", broken[0])
        self.assertEqual(broken[1], "/nowhere/postgres: No such file or directory")

    def test_once_refused(self) -> None:
        """A program that fails now and runs a moment later is found."""
        program = self.program('if mkdir "$0.tried"; then exit 1; fi; echo "postgres (PostgreSQL) 18.6"')
        self.assertEqual(version_of(program), "18.6")

    def test_our_environment_stays_with_us(self) -> None:
        """Libraries and settings that were given to the daemon are not the program's."""
        self.patch_environ("CACKLED_TEST", "5")
        self.assertEqual(version_of(self.program('echo "postgres (PostgreSQL) 18.${CACKLED_TEST:-6}"')), "18.6")

    def patch_environ(self, name: str, value: str) -> None:
        """Set a variable for this test."""
        os.environ[name] = value
        self.addCleanup(os.environ.pop, name, None)
