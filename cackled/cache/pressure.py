"""How much memory is left: the process, its control group, the machine.

Imports the standard library only. Cheap enough to be asked once a second: files stay open and are read with pread
(1.2 us for statm); smaps and the like cost milliseconds and are never read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

# A limit above this is the kernel's way to say "none" (v1 has no word for it).
_NONE = 1 << 60
# Version 1 counts the group alone and, with "total", all below it, as its limit does.
_IDLE = tuple(re.compile(rb"^%s (\d+)$" % name, re.MULTILINE) for name in (b"total_inactive_file", b"inactive_file"))
_AVAILABLE = re.compile(rb"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


class Pressure(Struct, frozen=True):
    """What was read, in bytes. None: this machine has no such figure or no such limit."""

    rss: int
    # The least that any control group around the process leaves: its limit less what it uses, without idle file cache.
    group: int | None = None
    # MemAvailable.
    machine: int | None = None

    def free(self, target: int = 0, reserve: int = 0) -> int:
        """Bytes that may still be taken; negative is what must be given back.

        *target* is the resident size to aim at (0: none). *reserve* stays free on the machine.
        """
        rooms = []
        if target:
            rooms.append(target - self.rss)
        if self.group is not None:
            rooms.append(self.group)
        if self.machine is not None:
            rooms.append(self.machine - reserve)
        return min(rooms, default=0)


class _File:
    """A small file of the kernel, held open."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        return os.pread(self._fd, 16_384, 0)

    def number(self) -> int | None:
        """The number in it; None for ``max`` and for more than any machine has."""
        text = self.read().strip()
        if not text.isdigit() or int(text) >= _NONE:
            return None
        return int(text)

    def close(self) -> None:
        os.close(self._fd)


class _Group:
    """One control group: its limits and its use."""

    def __init__(self, folder: Path, limits: tuple[str, ...], use: str) -> None:
        self.files: list[_File] = []
        try:
            self._use = self._open(folder / use)
            self._stat = self._open(folder / "memory.stat")
            self._limits = [self._open(folder / name) for name in limits]
        except OSError:
            self.close()
            raise

    def _open(self, path: Path) -> _File:
        file = _File(path)
        self.files.append(file)
        return file

    def room(self) -> int | None:
        limits = [number for file in self._limits if (number := file.number()) is not None]
        if not limits:
            return None
        use = self._use.number() or 0
        # File cache nobody uses goes by itself; to count it would empty our cache beside any busy disk.
        stat = self._stat.read()
        idle = _IDLE[0].search(stat) or _IDLE[1].search(stat)
        return min(limits) - max(0, use - (int(idle[1]) if idle else 0))

    def close(self) -> None:
        for file in self.files:
            file.close()


class MemoryReader:
    """Reads a `Pressure`: call it. *proc* and *cgroup* are where those file systems are mounted.

    The process's own figures are of the process that made the reader: make it after a fork.
    Control groups of version 2 are used where the memory controller is there, else those of version 1, else none;
    limits of all groups from the process's own up to the root count.

    Raises:
        OSError: when made, if *proc* has no figures of this process.
    """

    def __init__(self, proc: Path | str = "/proc", cgroup: Path | str = "/sys/fs/cgroup") -> None:
        proc = Path(proc)
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm = _File(proc / "self/statm")
        self._meminfo: _File | None = None
        try:
            self._meminfo = _File(proc / "meminfo")
        except OSError:
            pass
        self._groups = _groups(proc, Path(cgroup))

    def __call__(self) -> Pressure:
        """The figures of this moment.

        Raises:
            OSError: if the kernel takes a file away (the process was moved out of its control group).
        """
        rss = int(self._statm.read().split()[1]) * self._page
        rooms = [room for group in self._groups if (room := group.room()) is not None]
        available = _AVAILABLE.search(self._meminfo.read()) if self._meminfo is not None else None
        return Pressure(
            rss=rss,
            group=min(rooms, default=None),
            machine=int(available[1]) * 1024 if available else None,
        )

    def close(self) -> None:
        """Close the files."""
        self._statm.close()
        if self._meminfo is not None:
            self._meminfo.close()
        for group in self._groups:
            group.close()


def _groups(proc: Path, mount: Path) -> list[_Group]:
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return []
    v1 = v2 = None
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            v2 = path
        elif "memory" in controllers.split(","):
            v1 = path
    if v1 is not None:
        limits: tuple[str, ...] = ("memory.limit_in_bytes", "memory.soft_limit_in_bytes")
        return _chain(mount / "memory", v1, limits, "memory.usage_in_bytes")
    if v2 is not None:
        return _chain(mount, v2, ("memory.high", "memory.max"), "memory.current")
    return []


def _chain(mount: Path, path: str, limits: tuple[str, ...], use: str) -> list[_Group]:
    """The groups from *path* up to the mount. In a container the path may not be visible: then the mount alone."""
    groups = []
    mount = Path(os.path.normpath(mount))
    folder = Path(os.path.normpath(f"{mount}/{path}"))
    if not folder.is_relative_to(mount):
        folder = mount
    while folder.is_relative_to(mount):
        try:
            groups.append(_Group(folder, limits, use))
        except OSError:
            # The root of version 2 has no limits; a folder may be hidden.
            pass
        if folder == folder.parent:
            break
        folder = folder.parent
    return groups
