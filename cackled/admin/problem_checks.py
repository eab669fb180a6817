"""Checks for problems of a node, with descriptions and remedies for operators; used by `cackled.problems`.

Each check is cheap and runs every second. Parts of other packages are passed in as functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from cackled.clock import Periodic
from cackled.database.routing import Database
from cackled.database.tail import Tail

# Days before expiry from which certificates are reported; automatic renewal happens long before that.
CERTIFICATE_DAYS = 14.0
# A disk is nearly full below both of the first two, and too full for a database below the last.
DISK_SHARE = 0.10
DISK_BYTES = 5 << 30
DISK_LEAST = 512 << 20
# The tail reconnects within moments; longer than this many seconds is reported.
TAIL_SECONDS = 10.0
# The sweep runs every five seconds; each of its queries has a time limit.
TAIL_SILENT_SECONDS = 30.0
# A run of a periodic job takes seconds, or less than its interval.
JOB_SECONDS = 120.0


def disk(folders: Mapping[str, Path]) -> Callable[[], list[str]]:
    """A check of the file systems of *folders* (purpose -> path)."""

    def look() -> list[str]:
        said: dict[int, str] = {}
        for name, (free, total, device) in space(folders).items():
            if free < DISK_LEAST or (free < DISK_BYTES and free < DISK_SHARE * total):
                said[device] = (
                    f"The disk of {name} ({folders[name]}) has {free >> 20} MiB left of {total >> 20}. Make room:"
                    " PostgreSQL stops at a full disk, and nothing can be written."
                )
        return list(said.values())

    return look


def space(folders: Mapping[str, Path]) -> dict[str, tuple[int, int, int]]:
    """Free bytes, total bytes and device of each folder that exists."""
    found = {}
    for name, folder in folders.items():
        try:
            told = os.statvfs(folder)
            device = os.stat(folder).st_dev
        except OSError:
            continue
        found[name] = (told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize, device)
    return found


def certificates(days: Callable[[], Iterable[tuple[str, float]]], renew: str) -> Callable[[], list[str]]:
    """A check of certificates: *days* gives (file, days left), *renew* says how to get a new one."""

    def look() -> list[str]:
        return [
            f"Certificate {file} has ended. {renew}" if left <= 0 else
            f"Certificate {file} ends in {left:.1f} days. {renew}"
            for file, left in days() if left < CERTIFICATE_DAYS
        ]  # fmt: skip

    return look


def primaries(database: Database) -> Callable[[], list[str]]:
    """A check of each shard: is there a primary?"""

    def look() -> list[str]:
        said = []
        for number, part in enumerate(database.parts):
            if part.primary is None:
                which = f" of shard {number}" if len(database.parts) > 1 else ""
                said.append(
                    f"No primary{which} can be reached from here ({part.reason}): nothing is written. Bring it back. If"
                    " no node reaches it and it is lost for good, make sure that it is stopped and run: cackled promote"
                    " SERVER (a replica that is up)."
                )
        return said

    return look


def rivals(database: Database) -> Callable[[], list[str]]:
    """A check of each shard: does more than one server call itself primary, and which one is used?"""
    return lambda: [f"{part.alarm[0].upper()}{part.alarm[1:]}." for part in database.parts if part.alarm]


def servers(database: Database) -> Callable[[], list[str]]:
    """A check for servers that are down or far behind while their primary is reachable."""

    def look() -> list[str]:
        said = []
        for part in database.parts:
            for server in part.servers:
                wrong = part.trouble(server)
                if wrong and part.primary is not None:
                    said.append(f"Database server {server.name}: {wrong}. Its reads go to others; bring it back.")
        return said

    return look


def jobs(periodic: Callable[[], Iterable[Periodic]]) -> Callable[[], list[str]]:
    """A check of periodic jobs: does a run never end?"""

    def look() -> list[str]:
        return [
            f"The job \"{one.name}\" is at it for {one.busy():.0f} s and does not end; it comes again every"
            f" {one.interval:g} s otherwise. The log may say why; a restart of the daemon begins it anew."
            for one in periodic() if one.busy() > max(JOB_SECONDS, one.interval)
        ]  # fmt: skip

    return look


def tails(follow: list[Tail]) -> Callable[[], list[str]]:
    """A check of the event log: is it being followed?"""

    def look() -> list[str]:
        said = []
        for number, tail in enumerate(follow):
            which = f" of shard {number}" if len(follow) > 1 else ""
            if tail.connected and tail.lag > TAIL_SILENT_SECONDS:
                said.append(
                    f"The event log{which} is connected, and was not read to its end for {tail.lag:.0f} s: open pages"
                    " may hear nothing new. If it stays, restart the daemon and send its log to its makers."
                )
            elif tail.copying:
                said.append(f"The event log{which} is followed through a replica: live pages hear of comments later.")
            elif not tail.connected and tail.lag > TAIL_SECONDS:
                said.append(
                    f"The event log{which} is not followed for {tail.lag:.0f} s: open pages hear nothing new. It goes"
                    " on by itself once the primary answers; if that is up, look at the log of this daemon."
                )
        return said

    return look
