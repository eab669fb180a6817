"""How much memory is left: the process, its control group, the machine.

A reading is cheap enough for several a second: the files stay open and are read with pread (1.2 us for statm). smaps
and similar files cost milliseconds and are never read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from msgspec import Struct

# Version 1 of control groups has no word for "no limit": the kernel writes a number above this one.
_NONE = 1 << 60
# In version 1 the fields with "total" include the groups below, as the limit does; the others don't.
_IDLE = tuple(re.compile(rb"^%s (\d+)$" % name, re.MULTILINE) for name in (b"total_inactive_file", b"inactive_file"))
_AVAILABLE = re.compile(rb"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)


class Pressure(Struct, frozen=True):
    """What was read, in bytes; None where the machine has no such figure or limit."""

    rss: int
    # Of all control groups around the process, the smallest remainder: limit minus use, idle file cache not counted.
    group: int | None = None
    # MemAvailable.
    machine: int | None = None

    def free(self, target: int = 0, reserve: int = 0) -> int:
        """Bytes that may still be used. A negative number is how much must be given back.

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
        # The kernel drops idle file cache by itself. If it counted as use, a busy disk would empty our cache.
        stat = self._stat.read()
        idle = _IDLE[0].search(stat) or _IDLE[1].search(stat)
        return min(limits) - max(0, use - (int(idle[1]) if idle else 0))

    def close(self) -> None:
        for file in self.files:
            file.close()


class MemoryReader:
    """Reads a `Pressure` each time it is called. *proc* and *cgroup* are where those file systems are mounted.

    It reads the figures of the process that made it, so make it after a fork. Control groups of version 2 are used if
    they have the memory controller, else those of version 1, else none. The limits of all groups count, from the
    group of the process up to the root.

    Raises:
        OSError: from the constructor, if *proc* has no figures of this process.
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
        """Read the current figures.

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
            # The root group of version 2 has no limits, and a folder may be hidden.
            pass
        if folder == folder.parent:
            break
        folder = folder.parent
    return groups
