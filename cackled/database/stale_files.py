"""What a server that ended badly leaves behind: processes on our data directory, lock files, and too long socket paths.

Linux's /proc tells which processes have the data directory as current directory (all processes of PostgreSQL do).
Without /proc nothing is removed, and PostgreSQL decides.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import signal
import stat
import tempfile
from pathlib import Path

from cackled.database.binaries import EmbeddedError, User

PORT = 5432
# sun_path has 108 bytes including the final zero. The file "<socket>.lock" is no socket, so its length does not matter.
SOCKET_BYTES = 107


def lock_state(path: Path) -> int:
    """Lock the state directory by its lock file. The lock is held as long as the returned descriptor is open.

    Raises:
        EmbeddedError: another daemon has it, or it can't be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EmbeddedError(f"{path}: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise EmbeddedError(
            f"another daemon{f' (process {holder})' if holder else ''} uses {path.parent}"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def socket_folder(preferred: Path, user: User) -> Path:
    """*preferred*, or one with a name short enough for a socket in it; made, with mode 0700, owned by *user*.

    Raises:
        EmbeddedError: it exists and belongs to someone else, or can't be made.
    """
    folder = preferred
    if len(os.fsencode(str(preferred / f".s.PGSQL.{PORT}"))) > SOCKET_BYTES:
        name = hashlib.blake2b(os.fsencode(str(preferred)), digest_size=8).hexdigest()
        folder = Path(tempfile.gettempdir()) / f"cackled-{name}"
    own_folder(folder, user)
    return folder


def own_folder(folder: Path, user: User) -> None:
    """Make *folder* with mode 0700, owned by *user*; one that is there must be so, and no symbolic link.

    Raises:
        EmbeddedError
    """
    try:
        try:
            folder.mkdir(mode=0o700)
            if user.other:
                os.chown(folder, user.uid, user.gid)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != user.uid:
                raise EmbeddedError(f"{folder} is not a directory of user {user.name}") from None
            if found.st_mode & 0o077:
                folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedError(f"{folder}: {error.strerror or error}") from None


def working_in(data: Path) -> list[int]:
    """The living processes whose current directory is *data*."""
    found = []
    wanted = os.path.realpath(data)
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    for name in names:
        if name.isdigit():
            try:
                # A process that is dead but not reaped has no directory: readlink fails.
                if os.readlink(f"/proc/{name}/cwd") == wanted and _is_postgres(int(name)):
                    found.append(int(name))
            except OSError:
                continue
    return found


def _is_postgres(pid: int) -> bool:
    with open(f"/proc/{pid}/comm", "rb") as comm:
        return comm.read().startswith(b"postgres")


def postmaster(data: Path) -> int | None:
    """The process that ``postmaster.pid`` names, if it lives and works in *data*."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if pid in working_in(data) else None


def send(pids: list[int], number: signal.Signals) -> None:
    """Signal each that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue


def remove_locks(data: Path, sockets: Path) -> list[str]:
    """Remove the lock files of a server that is gone; gives their names.

    Only for a data directory in which no process works: the process id in such a file may by now belong to another
    program.
    """
    if not os.path.isdir("/proc/self"):
        return []
    removed = []
    for path in (data / "postmaster.pid", sockets / f".s.PGSQL.{PORT}.lock", sockets / f".s.PGSQL.{PORT}"):
        try:
            path.unlink()
        except OSError:
            continue
        removed.append(path.name)
    return removed
