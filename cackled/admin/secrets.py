"""The operator's secrets in the state directory: the console's password and the bearer token of the admin listener.

Files get mode 0600 before anything is written; a file that others may read is refused. Contents are never logged.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

TOKEN = "admin-token"
PASSWORD = "manhole-password.txt"
HASH = "manhole-password.hash"


class SecretError(Exception):
    """A secret's file is not usable; the message is one line and names the file, not the secret."""


def _say(text: str, **fields: str) -> None:
    # Here, and not above: the command line reads a secret and logs nothing.
    from twisted.logger import Logger

    Logger().info(text, **fields)


def read(path: Path) -> str:
    """The secret in *path*.

    Raises:
        SecretError: it is missing, empty, or open to others.
    """
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise SecretError(f"{path} must be readable by its owner only (chmod 600)")
            text = file.read(4096).decode("utf-8-sig").strip()
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{path} is no text") from None
    if not text:
        raise SecretError(f"{path} is empty")
    return text


def write(path: Path, secret: str) -> None:
    """Write *secret* to *path* atomically, with mode 0600.

    Raises:
        SecretError: it can't be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secret + "\n")
        os.replace(part, path)
    except OSError as error:
        raise SecretError(f"{path}: {error.strerror or error}") from None


def admin_token(state: Path) -> str:
    """The bearer token of the admin listener; created at the first start.

    Raises:
        SecretError: as `read` and `write`.
    """
    path = state / TOKEN
    if not path.exists():
        write(path, secrets.token_urlsafe(32))
        _say("made {path}", path=str(path))
    return read(path)


def same(left: str, right: str) -> bool:
    """Whether two secrets are equal, in constant time."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))


def bears(authorization: bytes, token: str) -> bool:
    """Whether the value of an Authorization field is ``Bearer`` and *token* (RFC 6750 section 2.1)."""
    scheme, _, given = authorization.partition(b" ")
    return scheme.lower() == b"bearer" and same(given.strip().decode("latin-1"), token)


def _usual_hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher()


class Password:
    """The console's password, kept as an argon2id hash."""

    def __init__(self, hashed: str, hasher: PasswordHasher | None = None) -> None:
        self._hash = hashed
        self._hasher = hasher or _usual_hasher()
        # Digest of the right password once it was entered, so that it need not wait behind wrong ones of others.
        self._key = secrets.token_bytes(32)
        self._seen = b""

    @classmethod
    def open(
        cls,
        state: Path,
        hasher: PasswordHasher | None = None,
        make: Callable[[], str] = lambda: secrets.token_urlsafe(15),
    ) -> Password:
        """The password of the state directory *state*.

        At the first start one is made: in clear in ``manhole-password.txt``, to be read and deleted, and as a hash.
        To choose one, write it into the .txt file and delete the .hash file.

        Raises:
            SecretError: as `read` and `write`.
        """
        hasher = hasher or _usual_hasher()
        clear, hashed = state / PASSWORD, state / HASH
        if not hashed.exists():
            if not clear.exists():
                write(clear, make())
                _say("the console's password is in {path}; read it, then delete it", path=str(clear))
            chosen = read(clear)
            write(hashed, hasher.hash(chosen))
            made = cls(read(hashed), hasher)
            made._see(chosen)
            return made
        text = read(hashed)
        if not text.startswith("$argon2id$"):
            raise SecretError(f"{hashed} holds no argon2id hash")
        return cls(text, hasher)

    def check(self, attempt: str) -> bool:
        """Whether *attempt* is the password. Takes some 50 ms and 64 MiB: call it in a thread, one at a time."""
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            right = self._hasher.verify(self._hash, attempt)
        except (VerificationError, InvalidHashError):
            return False
        self._see(attempt)
        return right

    def known(self, attempt: str) -> bool:
        """Whether *attempt* equals the password as it was entered before; fast.

        False does not mean that it is wrong.
        """
        return bool(self._seen) and hmac.compare_digest(self._digest(attempt), self._seen)

    def _see(self, right: str) -> None:
        self._seen = self._digest(right)

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "replace"), "sha256")
