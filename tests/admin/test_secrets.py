"""Secrets in the state directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from cackled.admin import secrets
from cackled.admin.secrets import HASH, PASSWORD, TOKEN, Password, SecretError, admin_token

WEAK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class SecretsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Path(self.mktemp())
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def mode(self, name: str) -> int:
        return stat.S_IMODE((self.state / name).stat().st_mode)


class TokenTests(SecretsCase):
    def test_made_once(self) -> None:
        """The first start makes a long token for the owner; the next reads it. The log has the path only."""
        self.addCleanup(os.umask, os.umask(0))
        token = admin_token(self.state)
        self.assertGreaterEqual(len(token), 40)
        self.assertEqual(admin_token(self.state), token)
        self.assertEqual(self.mode(TOKEN), 0o600)
        self.assertNotIn(token, repr(self.events))
        self.assertIn(TOKEN, repr(self.events))
        self.assertEqual([path.name for path in self.state.iterdir()], [TOKEN])

    def test_open_to_others(self) -> None:
        """A file that others may read is refused, not used."""
        admin_token(self.state)
        for mode in (0o640, 0o604, 0o666):
            (self.state / TOKEN).chmod(mode)
            self.assertIn("chmod 600", str(self.assertRaises(SecretError, admin_token, self.state)))

    def test_unusable(self) -> None:
        """Empty and binary files, and a directory that can't be made, are told in one line."""
        admin_token(self.state)
        for content in (b"", b" \n", b"\xff\xfe"):
            (self.state / TOKEN).write_bytes(content)
            self.assertRaises(SecretError, admin_token, self.state)
        (self.state / "file").write_text("x")
        self.assertRaises(SecretError, admin_token, self.state / "file")

    def test_same(self) -> None:
        """Comparison takes any text."""
        self.assertTrue(secrets.same("é", "é"))
        self.assertFalse(secrets.same("e", "é"))
        self.assertFalse(secrets.same("\udce9", "é"))


class PasswordTests(SecretsCase):
    def test_first_start(self) -> None:
        """A random password is left in clear for the operator and kept as a hash; both for the owner alone."""
        password = Password.open(self.state, WEAK)
        clear = (self.state / PASSWORD).read_text().strip()
        self.assertGreaterEqual(len(clear), 20)
        self.assertTrue(password.check(clear))
        self.assertFalse(password.check(clear + "x"))
        self.assertFalse(password.check(""))
        self.assertEqual((self.mode(PASSWORD), self.mode(HASH)), (0o600, 0o600))
        self.assertTrue((self.state / HASH).read_text().startswith("$argon2id$"))
        self.assertNotIn(clear, repr(self.events))
        self.assertIn(PASSWORD, repr(self.events))

    def test_clear_file_may_go(self) -> None:
        """Once read, the clear file can be deleted; it is not made again."""
        Password.open(self.state, WEAK)
        clear = (self.state / PASSWORD).read_text().strip()
        (self.state / PASSWORD).unlink()
        self.assertTrue(Password.open(self.state, WEAK).check(clear))
        self.assertFalse((self.state / PASSWORD).exists())

    def test_own_password(self) -> None:
        """An operator's own password is taken from the clear file when there is no hash."""
        Password.open(self.state, WEAK)
        (self.state / HASH).unlink()
        (self.state / PASSWORD).write_text("пароль\n")
        self.assertTrue(Password.open(self.state, WEAK).check("пароль"))

    def test_damaged_hash(self) -> None:
        """A hash of another kind is an error at start; a damaged one lets nobody in."""
        secrets.write(self.state / HASH, "plain")
        self.assertRaises(SecretError, Password.open, self.state, WEAK)
        secrets.write(self.state / HASH, "$argon2id$v=19$damaged")
        self.assertFalse(Password.open(self.state, WEAK).check("x"))

    def test_default_strength(self) -> None:
        """Without a given hasher the hash is at least what argon2-cffi recommends."""
        Password.open(self.state)
        parameters = (self.state / HASH).read_text().split("$")[3]
        memory = int(dict(part.split("=") for part in parameters.split(","))["m"])
        self.assertGreaterEqual(memory, 65536)
